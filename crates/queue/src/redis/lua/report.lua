-- What the queue looks like. A row is flat; the order of its values is that of `report.rs`.

function Q.standing(id, budget, lane)
  if Q.count(budget, 'ready', lane) == 0 then
    return Q.count(budget, 'delayed', lane) == 0 and 'idle' or 'retry'
  end
  local free = false
  for _, slot in ipairs(redis.call('LRANGE', Q.base .. ':r:' .. id, 0, 99)) do
    local campaign = Q.campaign(slot)
    free = free or (campaign and not campaign.fields.paused)
  end
  if not free then
    return 'paused'
  end
  local gate = Q.gate(budget)
  -- With every connection open and the tokens used up, the rate decides.
  if gate == 'connections' and Q.tokens(budget) == 0 then
    return 'tokens'
  end
  return gate
end

function Q.no_limit_as_0(limit)
  return limit == Q.NO_LIMIT and 0 or limit
end

function Q.row(name, lane, budget)
  local id = Q.line_id(lane, name)
  local due = Q.count(budget, 'delayed', lane) > 0
    and redis.call('ZRANGE', Q.base .. ':d:' .. id, 0, 0, 'WITHSCORES')[2]
  local per_second = Q.rate(budget)
  local held = Q.held_until(budget)
  local row = {
    lane, name, Q.count(budget, 'ready', lane), Q.count(budget, 'delayed', lane), Q.count(budget, 'leased', lane),
    due and math.max(0, tonumber(due) - Q.now) or -1,
    Q.num(budget, 'open'), Q.no_limit_as_0(Q.whole(budget, 'c')), Q.measured(budget), per_second,
    Q.no_limit_as_0(Q.whole(budget, 'm')),
    Q.limit(budget, 'per_second'), Q.limit(budget, 'burst'), Q.limit(budget, 'connections'), Q.limit(budget, 'messages'),
    held and budget.fields['hold:why'] or '', held and Q.now - Q.num(budget, 'hold:since') or 0,
    held and held - Q.now or -1,
    budget.fields['signal:why'] or '', Q.now - Q.num(budget, 'signal:at'), Q.num(budget, 'signal:count'),
    Q.standing(id, budget, lane),
  }
  for _, knob in ipairs(Q.KNOBS) do
    local k, value = 'k' .. knob, Q.turned(budget, knob)
    if value then
      local next_raise = Q.options.recovery - (Q.now - Q.num(budget, k .. ':moved'))
      for _, part in ipairs({ knob, Q.num(budget, k .. ':ceiling'), value, budget.fields[k .. ':why'] or '',
        Q.now - Q.num(budget, k .. ':since'), math.max(0, next_raise) }) do
        row[#row + 1] = part
      end
    end
  end
  for i, value in ipairs(row) do
    row[i] = Q.text(value)
  end
  return row
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
  local news = Q.num(budget, 'open') > 0 or Q.held_until(budget)
    or Q.turned(budget, 'r') or Q.turned(budget, 'c') or Q.turned(budget, 'm')
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
    Q.rows_of(name, rows)
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
  return { page[1], rows, Q.text(Q.idle_workers(0)) }
end

-- What a process says once a second: how many of its calls wait. It also learns from the header what is to be done.
function Q.tick(waiting)
  if waiting > 0 then
    redis.call('HSET', Q.base .. ':w', Q.client, waiting .. ' ' .. string.format('%.0f', Q.now + Q.WAITS_US))
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
