-- The rate as a generic cell rate algorithm: one number, the instant at which the bucket is full again. In any window
-- at most rate × (window + one timer tick) + burst tokens are taken.

-- A waiter is woken up to a tick late; without this much more room a small burst could never use its rate up.
Q.TIMER_TICK_S = 0.001
-- A token short by less than this is there: sums of floating-point numbers are not exact.
Q.EPSILON_TOKENS = 1e-6

function Q.depth(per_second, burst)
  return math.max(burst, 1) + per_second * Q.TIMER_TICK_S
end

-- Tokens that only the transactional lane may take. A burst of one cannot be divided; there its lane goes first.
function Q.kept(lane, burst)
  if lane == Q.TRANSACTIONAL or burst < 2 then
    return 0
  end
  return math.max(1, math.floor(burst / Q.RESERVED_ONE_IN))
end

function Q.tokens(budget, lane)
  local per_second, burst = Q.rate(budget)
  if per_second <= 0 then
    return Q.NO_LIMIT
  end
  local missing = math.max(0, Q.num(budget, 'full_at') - Q.now) * per_second / 1e6
  return math.floor(math.max(0, Q.depth(per_second, burst) - Q.kept(lane, burst) - missing + Q.EPSILON_TOKENS))
end

function Q.take_tokens(budget, count)
  local per_second = Q.rate(budget)
  if per_second > 0 then
    Q.set(budget, 'full_at', math.max(Q.num(budget, 'full_at'), Q.now) + count * 1e6 / per_second)
  end
end

-- A bucket that has filled since does not become more than full.
function Q.give_tokens_back(budget, count)
  local per_second = Q.rate(budget)
  if per_second > 0 then
    Q.set(budget, 'full_at', math.max(0, Q.num(budget, 'full_at') - count * 1e6 / per_second))
  end
end

function Q.next_token_at(budget, lane)
  local per_second, burst = Q.rate(budget)
  if per_second <= 0 then
    return Q.now
  end
  local depth = Q.depth(per_second, burst) - Q.kept(lane, burst)
  local at = Q.num(budget, 'full_at') - (depth - 1) * 1e6 / per_second
  return math.max(Q.now, math.ceil(at))
end

-- Keeps what is owed, counted in tokens, when the rate changes from `old`.
function Q.rescale(budget, old)
  local new, burst = Q.rate(budget)
  if old > 0 and new > 0 and old ~= new then
    local owed = math.max(0, Q.num(budget, 'full_at') - Q.now) * old / 1e6
    Q.set(budget, 'full_at', Q.now + math.min(owed, Q.depth(new, burst)) * 1e6 / new)
  end
end

-- Claims a second, lately: a sum whose parts fade over ten seconds. Refunds are negative.
Q.METER_S = 10

function Q.meter_faded(budget)
  return Q.num(budget, 'meter') * math.exp((Q.num(budget, 'meter_at') - Q.now) / 1e6 / Q.METER_S)
end

function Q.meter_add(budget, count)
  if Q.num(budget, 'meter') < 0.5 then
    Q.set(budget, 'meter_from', Q.now)
  end
  Q.set(budget, 'meter', math.max(0, Q.meter_faded(budget) + count))
  Q.set(budget, 'meter_at', Q.now)
end

-- What has run for a second only has not had time to fill ten.
function Q.measured(budget)
  local age = math.max(1, (Q.now - Q.num(budget, 'meter_from')) / 1e6)
  return Q.meter_faded(budget) / (Q.METER_S * (1 - math.exp(-age / Q.METER_S)))
end
