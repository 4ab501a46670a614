-- One destination, or a route: what it allows, what is in use. A hash ':b:<name>', known by the set ':names'.

-- Without making one.
function Q.plain_budget(name)
  local budget = Q.hash(':b:' .. name)
  budget.destination = string.match(name, '^(.*)#')
  budget.is_stream = budget.destination ~= nil
  return budget
end

function Q.budget(name)
  local budget = Q.plain_budget(name)
  if not budget.fields.used then
    redis.call('SADD', Q.base .. ':names', name)
    Q.set(budget, 'used', Q.now)
    Q.set(budget, 'meter_from', Q.now)
  end
  return budget
end

-- Messages a second, and burst. A provider that is slowed down is not to be met with the old burst.
function Q.rate(budget)
  local per_second, burst = Q.limit(budget, 'per_second'), Q.limit(budget, 'burst')
  local slowed = Q.turned(budget, 'r')
  if not slowed then
    return per_second, burst
  end
  if per_second <= 0 then
    return slowed, 1
  end
  return slowed, math.floor(math.max(1, burst * slowed / per_second))
end

function Q.held_until(budget)
  local untill = Q.num(budget, 'hold')
  return untill > Q.now and untill or nil
end

-- Messages that the rate and all windows have room for, whatever the connections; and when there is none, what is used
-- up and when there is some again.
function Q.room(budget, lane)
  local tokens = Q.tokens(budget, lane)
  local in_windows, window, ends = Q.window_room(budget, lane)
  local room = math.min(tokens, in_windows)
  if room > 0 then
    return room, nil, Q.now
  end
  local token_at = Q.next_token_at(budget, lane)
  if window and ends >= token_at then
    return 0, window, ends
  end
  return 0, 'tokens', token_at
end

-- May a new connection be opened now? 'open' and for how many messages, or what forbids it and until when.
function Q.gate(budget, lane)
  local held = Q.held_until(budget)
  if held then
    return 'held', held
  end
  if Q.num(budget, 'open') >= Q.connections_for(budget, lane) then
    return 'connections', nil
  end
  -- The peer has just refused a connection as one too many.
  if Q.num(budget, 'full') > Q.now then
    return 'connections', Q.num(budget, 'full')
  end
  local room, by, untill = Q.room(budget, lane)
  if room == 0 then
    return by, untill
  end
  return 'open', math.min(room, Q.whole(budget, 'm'))
end

-- One connection is kept for the transactional lane.
function Q.connections_for(budget, lane)
  local limit = Q.whole(budget, 'c')
  if lane == Q.TRANSACTIONAL or limit < 2 or limit == Q.NO_LIMIT then
    return limit
  end
  return limit - 1
end

-- A claim is charged to the destination and its route together.
function Q.charge(name, count)
  for _, budget in ipairs(Q.budgets(name)) do
    Q.take_tokens(budget, count)
    Q.charge_windows(budget, count)
    Q.meter_add(budget, count)
    Q.set(budget, 'used', Q.now)
  end
end

-- Undoes the charge of messages claimed in these minutes.
function Q.refund(name, charged)
  for _, budget in ipairs(Q.budgets(name)) do
    Q.give_tokens_back(budget, #charged)
    Q.give_back_windows(budget, charged)
    Q.meter_add(budget, -#charged)
  end
end

-- A hold is never shortened.
function Q.hold(budget, duration, why)
  local untill, standing = Q.now + duration, Q.held_until(budget)
  if standing and standing >= untill then
    return
  end
  if not standing then
    Q.set(budget, 'hold:since', Q.now)
  end
  Q.set(budget, 'hold', untill)
  Q.set(budget, 'hold:why', why)
end

-- Gives the turn of the knob, if there was one.
function Q.signal(budget, knob, duration, why, cut)
  Q.set(budget, 'signal:why', why)
  Q.set(budget, 'signal:at', Q.now)
  Q.add(budget, 'signal:count', 1)
  if duration ~= '' then
    Q.hold(budget, tonumber(duration), why)
  end
  if knob == 'c' then
    Q.set(budget, 'full', Q.now + Q.options.reaction)
  end
  return knob ~= '' and Q.turn_down(budget, knob, why, cut) or {}
end

-- Lifts the hold and lets every knob return to its ceiling at once.
function Q.set_free(budget, why)
  local old = Q.rate(budget)
  for _, part in ipairs({ '', ':since', ':why' }) do
    Q.set(budget, 'hold' .. part, nil)
  end
  for _, knob in ipairs(Q.KNOBS) do
    local value = Q.turned(budget, knob)
    if value then
      local ceiling = Q.num(budget, 'k' .. knob .. ':ceiling')
      Q.remember_turn(budget, knob, value, ceiling, why)
      Q.set(budget, 'k' .. knob, ceiling)
      Q.free_if_back(budget, knob)
    end
  end
  Q.rescale(budget, old)
end

-- `limits` are in the order of Q.LIMITS.
function Q.set_limits_of(budget, limits)
  local old = Q.rate(budget)
  Q.set(budget, 'own', '1')
  for i, which in ipairs(Q.LIMITS) do
    Q.set(budget, which, tonumber(limits[i]))
  end
  for _, knob in ipairs(Q.KNOBS) do
    if Q.turned(budget, knob) then
      local ceiling = Q.set_ceiling_of(budget, knob)
      if ceiling > 0 then
        Q.set(budget, 'k' .. knob .. ':ceiling', ceiling)
      end
      Q.free_if_back(budget, knob)
    end
  end
  Q.rescale(budget, old)
end

function Q.set_limits(name, limits)
  Q.set_limits_of(Q.budget(name), limits)
  Q.list_all(name)
end

function Q.free_connection(name)
  for _, budget in ipairs(Q.budgets(name)) do
    Q.set(budget, 'open', math.max(0, Q.num(budget, 'open') - 1))
    Q.set(budget, 'used', Q.now)
  end
  Q.room_again(name)
end

-- Nothing would be lost by forgetting it.
function Q.is_forgettable(name, budget)
  if budget.fields.own or Q.num(budget, 'open') > 0 or Q.held_until(budget) then
    return false
  end
  if Q.turned(budget, 'r') or Q.turned(budget, 'c') or Q.turned(budget, 'm') then
    return false
  end
  if Q.now - Q.num(budget, 'used') < Q.options.forget then
    return false
  end
  Q.look_after_streams(name)
  if redis.call('EXISTS', Q.base .. ':st:' .. name, Q.base .. ':z:' .. name) > 0 then
    return false
  end
  local _, burst = Q.rate(budget)
  if Q.tokens(budget, Q.TRANSACTIONAL) < math.max(1, burst) then
    return false
  end
  for lane = 0, Q.LAST_LANE do
    local id = Q.line_id(lane, name)
    local used = Q.count(budget, 'ready', lane) + Q.count(budget, 'delayed', lane) + Q.count(budget, 'leased', lane)
    if used > 0 or budget.fields['listed' .. lane] or budget.fields['parked' .. lane]
      or redis.call('EXISTS', Q.base .. ':r:' .. id, Q.base .. ':d:' .. id) > 0 then
      return false
    end
  end
  return true
end

-- Looks at some destinations in turn.
function Q.forget_idle(count)
  local page = redis.call('SSCAN', Q.base .. ':names', Q.meta.fields.forget_from or '0', 'COUNT', count)
  Q.set(Q.meta, 'forget_from', page[1] ~= '0' and page[1] or nil)
  for _, name in ipairs(page[2]) do
    local budget = Q.budget(name)
    if Q.is_forgettable(name, budget) then
      Q.erase(budget)
      redis.call('UNLINK', Q.history_key(budget))
      redis.call('SREM', Q.base .. ':names', name)
    end
  end
end
