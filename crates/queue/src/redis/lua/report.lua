-- What the queue looks like. Rows are lists of values; their order is that of `report.rs`.

-- Workspaces of a line, and campaigns of each, that a report looks at.
Q.LOOKED_AT = 20

-- What stops the line: its standing, the limit, and after how many microseconds it has room (-1: unknown).
function Q.standing(lane, name, budget)
  if Q.count(budget, 'ready', lane) == 0 then
    return Q.count(budget, 'delayed', lane) == 0 and 'idle' or 'retry', {}
  end
  if not Q.some_turn(Q.line_id(lane, name)) then
    local by, untill = Q.stopped_by_stream(lane, name)
    if not by then
      return 'paused', {}
    end
    return by, { 'stream', by, untill - Q.now }
  end
  local gate, value, of_route = Q.line_gate(lane, name)
  if gate == 'open' then
    return 'open', {}
  end
  local stop = { of_route and 'route' or 'destination', gate, value and value - Q.now or -1 }
  if gate == 'held' then
    return 'held', stop
  end
  -- With every connection open and the tokens used up, the rate decides.
  if gate == 'connections' and Q.line_room(lane, name) > 0 then
    return 'connections', stop
  end
  return 'tokens', stop
end

-- Some campaign near the front of the ring may be claimed from.
function Q.some_turn(id)
  for _, workspace in ipairs(redis.call('LRANGE', Q.ring_key(id), 0, Q.LOOKED_AT - 1)) do
    for _, slot in ipairs(redis.call('LRANGE', Q.campaigns_key(id, workspace), 0, Q.LOOKED_AT - 1)) do
      if not Q.turn_stop(id, slot) then
        return true
      end
    end
  end
  return false
end

function Q.no_limit_as_0(limit)
  return limit == Q.NO_LIMIT and 0 or limit
end

function Q.texts(row)
  for i, value in ipairs(row) do
    row[i] = type(value) == 'table' and Q.texts(value) or Q.text(value)
  end
  return row
end

-- Each window with a limit: its minutes, the minute in which it began, what is used, the limit, what of it is kept, microseconds to its end.
function Q.window_rows(budget)
  local rows = {}
  for _, window in ipairs(Q.WINDOWS) do
    local limit = Q.limit(budget, window[2])
    if limit > 0 then
      rows[#rows + 1] = { window[1], Q.window_end(window[1]) / Q.MINUTE_US - window[1], Q.used_in(budget, window[1]), limit,
        Q.kept_in_window(Q.LAST_LANE, limit),        Q.window_end(window[1]) - Q.now }
    end
  end
  return rows
end

-- What belongs to a budget, whosever it is.
function Q.gauges(budget)
  local per_second = Q.rate(budget)
  local limits = {}
  for i, which in ipairs(Q.LIMITS) do
    limits[i] = Q.limit(budget, which)
  end
  return Q.num(budget, 'open'), Q.no_limit_as_0(Q.whole(budget, 'c')), Q.measured(budget), per_second,
    Q.no_limit_as_0(Q.whole(budget, 'm')), limits, Q.window_rows(budget)
end

-- Why, since when, and for how long; nothing when it is not held.
function Q.hold_row(budget)
  local held = Q.held_until(budget)
  return held and { budget.fields['hold:why'] or '', Q.now - Q.num(budget, 'hold:since'), held - Q.now } or {}
end

function Q.signal_row(budget)
  local count = Q.num(budget, 'signal:count')
  return count > 0 and { budget.fields['signal:why'] or '', Q.now - Q.num(budget, 'signal:at'), count } or {}
end

function Q.knob_rows(budget)
  local rows = {}
  for _, knob in ipairs(Q.KNOBS) do
    local k, value = 'k' .. knob, Q.turned(budget, knob)
    if value then
      local from = Q.clean_from(budget, knob) or math.max(Q.now, Q.not_before(budget, knob))
      local next_raise = Q.options.recovery + from - Q.now
      rows[#rows + 1] = { knob, Q.num(budget, k .. ':ceiling'), Q.FLOORS[knob], value, budget.fields[k .. ':why'] or '',
        Q.now - Q.num(budget, k .. ':since'), math.max(0, next_raise) }
    end
  end
  return rows
end

function Q.history_rows(budget)
  local rows = {}
  for _, line in ipairs(redis.call('LRANGE', Q.history_key(budget), 0, -1)) do
    local knob, from, to, at, why = string.match(line, '^(%S+) (%S+) (%S+) (%S+) (.*)$')
    rows[#rows + 1] = { knob, from, to, Q.now - tonumber(at), why }
  end
  return rows
end

function Q.is_slowed(budget)
  return Q.held_until(budget) or Q.turned(budget, 'r') or Q.turned(budget, 'c') or Q.turned(budget, 'm')
end

-- Streams of a destination that are held or slowed.
function Q.stream_rows(name)
  local rows = {}
  for _, stream in ipairs(redis.call('SMEMBERS', Q.base .. ':st:' .. name)) do
    local full = Q.stream_name(name, stream)
    local budget = Q.plain_budget(full)
    if Q.is_slowed(budget) then
      rows[#rows + 1] = { stream, Q.measured(budget), (Q.rate(budget)), Q.hold_row(budget), Q.knob_rows(budget),
        Q.history_rows(budget), Q.signal_row(budget), redis.call('LLEN', Q.base .. ':z:' .. full) }
    end
  end
  return rows
end

function Q.row(name, lane, budget)
  local due = Q.count(budget, 'delayed', lane) > 0
    and redis.call('ZRANGE', Q.base .. ':d:' .. Q.line_id(lane, name), 0, 0, 'WITHSCORES')[2]
  local standing, stop = Q.standing(lane, name, budget)
  local open, connections, measured, per_second, messages, limits, windows = Q.gauges(budget)
  return Q.texts({
    lane, name, Q.count(budget, 'ready', lane), Q.count(budget, 'delayed', lane), Q.count(budget, 'leased', lane),
    due and math.max(0, tonumber(due) - Q.now) or -1,
    open, connections, measured, per_second, messages, limits, windows,
    Q.hold_row(budget), Q.knob_rows(budget), Q.history_rows(budget), Q.signal_row(budget), Q.stream_rows(name), standing,
    stop,
  })
end

-- A slowed destination without jobs is shown once, where campaigns are.
function Q.rows_of(name, rows)
  local budget = Q.budget(name)
  local speaks = false
  for lane = 0, Q.LAST_LANE do
    local jobs = Q.count(budget, 'ready', lane) + Q.count(budget, 'delayed', lane) + Q.count(budget, 'leased', lane)
    if jobs > 0 then
      speaks = true
      rows[#rows + 1] = Q.row(name, lane, budget)
    end
  end
  local news = Q.num(budget, 'open') > 0 or Q.is_slowed(budget) or #Q.stream_rows(name) > 0
  if news and not speaks then
    rows[#rows + 1] = Q.row(name, Q.LAST_LANE, budget)
  end
end

function Q.report(cursor, count)
  Q.do_chores()
  Q.ring_alarms()
  local page = redis.call('SSCAN', Q.base .. ':names', cursor, 'COUNT', count)
  local rows = {}
  for _, name in ipairs(page[2]) do
    if not string.find(name, '^@') and not string.find(name, '#', 1, true) then
      Q.rows_of(name, rows)
    end
  end
  return { page[1], rows }
end

function Q.report_routes(cursor, count)
  local page = redis.call('SSCAN', Q.base .. ':routes', cursor, 'COUNT', count)
  local rows = {}
  for _, key in ipairs(page[2]) do
    local waiting = 0
    for lane = 0, Q.LAST_LANE do
      waiting = waiting + redis.call('LLEN', Q.parked_key(lane, key))
    end
    local open, connections, measured, per_second, messages, limits, windows = Q.gauges(Q.budget('@' .. key))
    rows[#rows + 1] = Q.texts({ key, open, connections, measured, per_second, messages, limits, windows, waiting })
  end
  return { page[1], rows }
end

function Q.report_campaigns(cursor, count)
  local page = redis.call('HSCAN', Q.base .. ':c', cursor, 'COUNT', count)
  local rows = {}
  for i = 1, #page[2], 2 do
    local campaign = Q.campaign(page[2][i + 1])
    if campaign then
      rows[#rows + 1] = { page[2][i], campaign.fields.paused or '0', Q.text(Q.num(campaign, 'ready')),
        Q.text(Q.num(campaign, 'delayed')), Q.text(Q.num(campaign, 'leased')) }
    end
  end
  return { page[1], rows, Q.text(Q.idle_elsewhere()) }
end

-- What a process says once a second: how many of its calls wait, and for each lane. It also learns from the header what is
-- to be done.
function Q.tick(waiting)
  if waiting[1] ~= '0' then
    local untill = string.format(' %.0f', Q.now + Q.WAITS_US)
    redis.call('HSET', Q.base .. ':w', Q.client, table.concat(waiting, ' ') .. untill)
    Q.somebody_waits_here()
  else
    redis.call('HDEL', Q.base .. ':w', Q.client)
  end
  redis.call('PEXPIRE', Q.base .. ':w', 60000)
  -- A process gone for an hour asks nothing again.
  redis.call('PEXPIRE', Q.base .. ':s:' .. Q.client, 3600000)
  Q.do_chores()
  Q.ring_alarms()
  return {}
end
