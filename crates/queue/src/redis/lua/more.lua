-- Claiming again for an open connection.

-- What a process says of its waiting calls: '<all> <lane 0> <lane 1> <lane 2> <until>'.
function Q.waiting(text)
  local all, first, second, third, untill = string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
  if not all or tonumber(untill) <= Q.now then
    return 0, {}
  end
  return tonumber(all), { tonumber(first), tonumber(second), tonumber(third) }
end

-- Calls of `lease` of other processes that wait for work of this lane, or of any.
function Q.idle_elsewhere(lane)
  local count, said = 0, Q.hash(':w')
  for client, text in pairs(said.fields) do
    if client ~= Q.client then
      local all, of_lanes = Q.waiting(text)
      count = count + (lane and (of_lanes[lane + 1] or 0) or all)
    end
  end
  return count
end

-- A line of this lane, of another destination, can be served, and fewer were told to make way than there are.
function Q.other_waits(lane, name)
  Q.looks = Q.LOOKS
  local first = Q.next_open(lane)
  if not first then
    return false
  end
  local others = redis.call('LLEN', Q.base .. ':L' .. lane) - (first == name and 1 or 0)
  if others <= Q.num(Q.meta, 'told_to_close') then
    return false
  end
  Q.add(Q.meta, 'told_to_close', 1)
  return true
end

function Q.must_close(lane, name, lanes, carried, own_idle)
  for _, budget in ipairs(Q.budgets(name)) do
    if Q.held_until(budget) then
      return 'held'
    end
    -- Those that the peer has just refused end by themselves: the ones that work are not to end in their place.
    if Q.num(budget, 'open') > Q.whole(budget, 'c') and Q.num(budget, 'full') <= Q.now then
      return 'connections'
    end
  end
  if Q.left(Q.message_limit(name), carried) == 0 then
    return 'messages'
  end
  if Q.lower_lane_waits_for_route(lane, name) then
    return 'lower'
  end
  for lower = 0, lane - 1 do
    -- A token that this lane took would be missing there.
    Q.looks = Q.LOOKS
    if Q.has_turn(Q.line_id(lower, name)) then
      return 'lower'
    end
  end
  local nobody_is_idle = function(of_lane)
    return own_idle[of_lane + 1] == 0 and Q.idle_elsewhere(of_lane) == 0
  end
  for lower = 0, lane - 1 do
    if string.find(lanes, lower, 1, true) and nobody_is_idle(lower) and Q.other_waits(lower, name) then
      return 'lower'
    end
  end
  if carried >= Q.options.turn and nobody_is_idle(lane) and Q.other_waits(lane, name) then
    return 'turn'
  end
  return nil
end

-- When an open connection that found no token is to ask again. Not all come for the next one: each is told the token after that of
-- whoever was told before, until all that are open have been told. Nothing is kept for it; the first lane need not queue.
function Q.turn_at(lane, name, room_at)
  local budget, interval = Q.budget(name), 0
  for _, of in ipairs(Q.budgets(name)) do
    local per_second = Q.rate(of)
    if per_second > 0 then
      interval = math.max(interval, 1e6 / per_second)
    end
  end
  local turn = math.max(room_at, Q.num(budget, 'told') + interval)
  if lane == Q.TRANSACTIONAL or turn >= room_at + interval * Q.num(budget, 'open') then
    turn = room_at
  end
  Q.set(budget, 'told', turn)
  return turn
end

function Q.more(fence, max, own_idle)
  Q.do_chores()
  Q.ring_alarms()
  if not Q.extend(fence) then
    return { 'close', 'lost' }
  end
  local lease = redis.call('HMGET', Q.lease_key(fence), '@line', '@messages', '@taken', '@lanes')
  local id, carried = lease[1], tonumber(lease[2])
  local lane, name = Q.lane_and_name(id)
  lane = tonumber(lane)
  local reason = Q.must_close(lane, name, lease[4], carried, own_idle)
  if reason then
    return { 'close', reason }
  end
  Q.looks = Q.LOOKS
  if not Q.has_turn(id) then
    return { 'empty' }
  end
  local room, room_at = Q.line_room(lane, name)
  room = math.min(room, Q.left(Q.message_limit(name), carried))
  if room == 0 then
    return { 'wait', Q.text(Q.turn_at(lane, name, room_at) - Q.now) }
  end
  local jobs = Q.take(id, math.min(max, room))
  if #jobs == 0 then
    return { 'empty' }
  end
  return { 'jobs', Q.record(id, fence, jobs, carried + #jobs, tonumber(lease[3])) }
end
