-- Knobs below their ceiling: additive increase, multiplicative decrease. 'r' messages a second, 'c' connections,
-- 'm' messages for each connection. Their state lies in the budget's hash, so that every worker obeys it at once.

Q.KNOBS = { 'r', 'c', 'm' }
-- One message a minute, one connection, one message for each connection.
Q.FLOORS = { r = 1 / 60, c = 1, m = 1 }
-- A knob rises by this part of its ceiling.
Q.RAISE_PART = 1 / 16
-- Where the first signal finds messages for each connection that had no limit.
Q.UNLIMITED_MESSAGES = 100

function Q.limit(budget, which)
  if budget.fields.own then
    return Q.num(budget, which)
  end
  return budget.is_stream and 0 or Q.options[which]
end

function Q.set_ceiling_of(budget, knob)
  if knob == 'r' then
    return Q.limit(budget, 'per_second')
  end
  return Q.limit(budget, knob == 'c' and 'connections' or 'messages')
end

function Q.turned(budget, knob)
  local value = budget.fields['k' .. knob]
  return value and tonumber(value)
end

-- Where the knob stands now, as a whole number.
function Q.whole(budget, knob)
  local at = Q.turned(budget, knob)
  if at then
    return math.max(1, math.floor(at))
  end
  local limit = Q.set_ceiling_of(budget, knob)
  return limit == 0 and Q.NO_LIMIT or limit
end

-- Where a signal turns a knob that stands at `from`: `cut.how` is 'part', to one so-manieth, or 'most', to so much (messages a
-- minute, connections, messages for each connection), and to half where it stands there already.
function Q.cut(knob, from, cut)
  local to
  if cut.how == 'part' then
    to = from / math.max(2, cut.count)
  else
    to = knob == 'r' and cut.count / 60 or cut.count
  end
  if to >= from then
    to = from / 2
  end
  return math.max(to, Q.FLOORS[knob])
end

-- A knob without a ceiling starts from what was measured.
function Q.start_knob(budget, knob, cut)
  local ceiling = Q.set_ceiling_of(budget, knob)
  if ceiling <= 0 then
    if knob == 'r' then
      ceiling = Q.measured(budget)
    elseif knob == 'c' then
      ceiling = Q.num(budget, 'open')
    else
      ceiling = Q.UNLIMITED_MESSAGES
    end
  end
  local value = Q.cut(knob, ceiling, cut)
  ceiling = math.max(ceiling, value)
  Q.set(budget, 'k' .. knob, value)
  Q.set(budget, 'k' .. knob .. ':ceiling', ceiling)
  Q.set(budget, 'k' .. knob .. ':since', Q.now)
  return ceiling, value
end

-- Turns it down, unless the last turn has had no time to show. Gives the turn, if there was one: knob, from, to.
function Q.turn_down(budget, knob, why, cut)
  local k = 'k' .. knob
  local old = Q.rate(budget)
  local from, to = Q.turned(budget, knob), nil
  Q.set(budget, k .. ':rests', math.max(Q.num(budget, k .. ':rests'), Q.now + cut.stay))
  Q.set(budget, k .. ':clean', nil)
  Q.set(budget, k .. ':done', 0)
  if not from then
    from, to = Q.start_knob(budget, knob, cut)
  elseif Q.now - Q.num(budget, k .. ':turned') >= Q.options.reaction then
    to = Q.cut(knob, from, cut)
    Q.set(budget, k, to)
  else
    return nil
  end
  Q.set(budget, k .. ':turned', Q.now)
  Q.set(budget, k .. ':why', why)
  if to >= from then
    return nil
  end
  Q.rescale(budget, old)
  return Q.remember_turn(budget, knob, from, to, why)
end

-- The last turns of a budget's knobs, the latest first: a list of their own, for claims have no use for them.
function Q.history_key(budget)
  return budget.key .. ':turns'
end

function Q.remember_turn(budget, knob, from, to, why)
  local turn = { knob, Q.text(from), Q.text(to) }
  redis.call('LPUSH', Q.history_key(budget), table.concat(turn, ' ') .. ' ' .. Q.text(Q.now) .. ' ' .. why)
  redis.call('LTRIM', Q.history_key(budget), 0, Q.HISTORY_TURNS - 1)
  return turn
end

-- A knob that is back at its ceiling is forgotten.
function Q.free_if_back(budget, knob)
  local k = 'k' .. knob
  if Q.turned(budget, knob) >= Q.num(budget, k .. ':ceiling') then
    for _, part in ipairs({ '', ':ceiling', ':since', ':turned', ':rests', ':clean', ':done', ':why' }) do
      Q.set(budget, k .. part, nil)
    end
  end
end

-- No clean interval begins before: no job done in a hold, or before it, proves anything. A hold of the destination holds its streams too.
function Q.not_before(budget, knob)
  local above = budget.is_stream and Q.num(Q.plain_budget(budget.destination), 'hold') or 0
  return math.max(Q.num(budget, 'k' .. knob .. ':rests'), Q.num(budget, 'hold'), above)
end

-- When the clean interval of a knob began: with the first job done since the last signal, or the last raise. Nothing when it has not.
function Q.clean_from(budget, knob)
  local clean = tonumber(budget.fields['k' .. knob .. ':clean'] or '')
  return clean and clean >= Q.not_before(budget, knob) and clean or nil
end

-- Counts a job done. True when a knob rose, so that more may be allowed than before.
function Q.count_done(budget)
  local old, rose = Q.rate(budget), false
  for _, knob in ipairs(Q.KNOBS) do
    local k, value = 'k' .. knob, Q.turned(budget, knob)
    if value and Q.now >= Q.not_before(budget, knob) then
      local from = Q.clean_from(budget, knob)
      if not from then
        from = Q.now
        Q.set(budget, k .. ':clean', Q.now)
        Q.set(budget, k .. ':done', 0)
      end
      Q.add(budget, k .. ':done', 1)
      if Q.now - from >= Q.options.recovery and Q.num(budget, k .. ':done') >= Q.options.recovery_jobs then
        local ceiling = Q.num(budget, k .. ':ceiling')
        local raised = math.min(ceiling, value + ceiling * Q.RAISE_PART)
        Q.set(budget, k, raised)
        local clean = string.format('no signal for %d s, and mail went out', Q.options.recovery / 1e6)
        Q.remember_turn(budget, knob, value, raised, clean)
        Q.set(budget, k .. ':clean', Q.now)
        Q.set(budget, k .. ':done', 0)
        Q.free_if_back(budget, knob)
        rose = true
      end
    end
  end
  if rose then
    Q.rescale(budget, old)
  end
  return rose
end
