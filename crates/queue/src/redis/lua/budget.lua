-- One destination: what it allows, what is in use. A hash ':b:<name>', known by the set ':names'.

function Q.budget(name)
  local budget = Q.hash(':b:' .. name)
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

-- May a new connection be opened now? 'open' and for how many messages, or what forbids it and until when.
function Q.gate(budget)
  local held = Q.held_until(budget)
  if held then
    return 'held', held
  end
  if Q.num(budget, 'open') >= Q.whole(budget, 'c') then
    return 'connections', nil
  end
  local tokens = Q.tokens(budget)
  if tokens == 0 then
    return 'tokens', Q.next_token_at(budget)
  end
  return 'open', math.min(tokens, Q.whole(budget, 'm'))
end

function Q.charge(budget, count)
  Q.take_tokens(budget, count)
  Q.meter_add(budget, count)
  Q.set(budget, 'used', Q.now)
end

function Q.refund(budget, count)
  Q.give_tokens_back(budget, count)
  Q.meter_add(budget, -count)
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

function Q.signal(name, knob, duration, why)
  local budget = Q.budget(name)
  Q.set(budget, 'signal:why', why)
  Q.set(budget, 'signal:at', Q.now)
  Q.add(budget, 'signal:count', 1)
  if duration ~= '' then
    Q.hold(budget, tonumber(duration), why)
  end
  if knob ~= '' then
    Q.turn_down(budget, knob, why)
  end
end

function Q.set_limits(name, per_second, burst, connections, messages)
  local budget = Q.budget(name)
  local old = Q.rate(budget)
  Q.set(budget, 'own', '1')
  Q.set(budget, 'per_second', tonumber(per_second))
  Q.set(budget, 'burst', tonumber(burst))
  Q.set(budget, 'connections', tonumber(connections))
  Q.set(budget, 'messages', tonumber(messages))
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
  Q.list_all(name)
end

function Q.free_connection(name)
  local budget = Q.budget(name)
  Q.set(budget, 'open', math.max(0, Q.num(budget, 'open') - 1))
  Q.set(budget, 'used', Q.now)
  Q.list_all(name)
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
  local _, burst = Q.rate(budget)
  if Q.tokens(budget) < math.max(1, burst) then
    return false
  end
  for lane = 0, Q.LAST_LANE do
    local id = Q.line_id(lane, name)
    local used = Q.count(budget, 'ready', lane) + Q.count(budget, 'delayed', lane) + Q.count(budget, 'leased', lane)
    if used > 0 or budget.fields['listed' .. lane] or redis.call('EXISTS', Q.base .. ':r:' .. id, Q.base .. ':d:' .. id) > 0 then
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
      redis.call('SREM', Q.base .. ':names', name)
    end
  end
end
