-- A route's budget, which its destinations are charged to besides their own: a budget named '@<route>'. Lines that it
-- stops wait in ':y:<lane>:<route>', so that hundreds of destinations of one route do not all look for each of its
-- tokens: when there is room, one is listed, and whoever served it or found nothing in it lists the next.

function Q.route_key(name)
  return string.match(name, '@([^@]*)$') or name
end

-- The budget of this destination's route, if it has one.
function Q.route(name)
  local route = Q.hash(':b:@' .. Q.route_key(name))
  return route.fields.own and route or nil
end

function Q.parked_key(lane, key)
  return Q.base .. ':y:' .. lane .. ':' .. key
end

-- Both budgets that a claim is charged to.
function Q.budgets(name)
  return { Q.budget(name), Q.route(name) }
end

-- Whether a connection may be opened for this line: 'open' and for how many messages; or what forbids it, until when,
-- and whether it is the route that does.
function Q.line_gate(lane, name)
  local gate, value = Q.gate(Q.budget(name), lane)
  local route = gate == 'open' and Q.route(name)
  if not route then
    return gate, value, false
  end
  local of_route, other = Q.gate(route, lane)
  if of_route == 'open' then
    return 'open', math.min(value, other), false
  end
  return of_route, other, true
end

-- Messages that both budgets have room for, and when they have some.
function Q.line_room(lane, name)
  local room, at = Q.NO_LIMIT, Q.now
  for _, budget in ipairs(Q.budgets(name)) do
    local here, _, until_ = Q.room(budget, lane)
    room, at = math.min(room, here), math.max(at, until_)
  end
  return room, at
end

function Q.message_limit(name)
  local limit = Q.NO_LIMIT
  for _, budget in ipairs(Q.budgets(name)) do
    limit = math.min(limit, Q.whole(budget, 'm'))
  end
  return limit
end

-- Lets a line wait until its route has room.
function Q.park(lane, name, untill)
  local key = Q.route_key(name)
  Q.set(Q.budget(name), 'parked' .. lane, '1')
  redis.call('RPUSH', Q.parked_key(lane, key), name)
  if untill then
    Q.set_alarm('r' .. key, untill)
  end
end

-- The route may have room: lists the first line that waits for it and still has jobs, or sets the alarm for when there
-- is some.
function Q.look_after_route(key)
  local route = Q.hash(':b:@' .. key)
  if not route.fields.own then
    return
  end
  for lane = 0, Q.LAST_LANE do
    local parked = Q.parked_key(lane, key)
    while redis.call('EXISTS', parked) == 1 do
      local gate, untill = Q.gate(route, lane)
      if gate ~= 'open' then
        if untill then
          Q.set_alarm('r' .. key, untill)
        end
        return
      end
      local name = redis.call('LPOP', parked)
      Q.set(Q.budget(name), 'parked' .. lane, nil)
      Q.list(Q.line_id(lane, name))
      if Q.budget(name).fields['listed' .. lane] then
        return
      end
    end
  end
end

-- A line of a lower lane waits for this route.
function Q.lower_lane_waits_for_route(lane, name)
  local key = Q.route_key(name)
  for lower = 0, lane - 1 do
    if redis.call('EXISTS', Q.parked_key(lower, key)) == 1 then
      return true
    end
  end
  return false
end

-- A destination and its route may have room: looks at what waits for them.
function Q.room_again(name)
  Q.list_all(name)
  Q.look_after_streams(name)
  Q.look_after_route(Q.route_key(name))
end

function Q.set_route_limits(key, limits)
  local name = '@' .. key
  local route = Q.budget(name)
  if not route.fields.own then
    redis.call('SADD', Q.base .. ':routes', key)
    -- What is open already counts, so that each closing finds what it takes off.
    for _, other in ipairs(redis.call('SMEMBERS', Q.base .. ':names')) do
      if string.sub(other, 1, 1) ~= '@' and not string.find(other, '#', 1, true) and Q.route_key(other) == key then
        Q.add(route, 'open', Q.num(Q.budget(other), 'open'))
      end
    end
  end
  Q.set_limits_of(route, limits)
  Q.look_after_route(key)
end
