-- When to look at something again, in the sorted set ':a': 'b<name>' when a hold ends or a token is there, 'r<route>'
-- when a route has room, 'l<line>' when a delayed job is due.

-- Delayed jobs and alarms that one call takes care of.
Q.ALARM_STEPS = 128

function Q.set_alarm(member, at)
  redis.call('ZADD', Q.base .. ':a', 'LT', Q.text(at), member)
end

function Q.set_line_alarm(id)
  local first = redis.call('ZRANGE', Q.base .. ':d:' .. id, 0, 0, 'WITHSCORES')
  if first[2] then
    Q.set_alarm('l' .. id, tonumber(first[2]))
  end
end

-- Does what is due, a bounded part of it. True when more is due.
function Q.ring_alarms()
  local steps = Q.ALARM_STEPS
  while true do
    local due = redis.call('ZRANGEBYSCORE', Q.base .. ':a', '-inf', Q.text(Q.now), 'LIMIT', 0, 1)[1]
    if not due then
      return false
    end
    if steps <= 0 then
      return true
    end
    redis.call('ZREM', Q.base .. ':a', due)
    steps = steps - 1
    local kind, what = string.sub(due, 1, 1), string.sub(due, 2)
    if kind == 'b' then
      Q.list_all(what)
      Q.look_after_streams(what)
    elseif kind == 'r' then
      Q.look_after_route(what)
    else
      steps = steps - Q.promote(what, math.max(steps, 1))
    end
  end
end

function Q.promote(id, count)
  local key = Q.base .. ':d:' .. id
  local members = redis.call('ZRANGEBYSCORE', key, '-inf', Q.text(Q.now), 'LIMIT', 0, count)
  for _, member in ipairs(members) do
    local slot, word = string.match(member, '^(%d+)/(.*)$')
    if Q.campaign(slot) then
      local pile = Q.pile_or_new(id, slot)
      pile.delayed, pile.changed = math.max(0, pile.delayed - 1), true
      redis.call('RPUSH', Q.pile_key(id, slot), word)
      Q.move(id, slot, 'delayed', -1)
      Q.move(id, slot, 'ready', 1)
      Q.offer(id, slot)
    end
  end
  if #members > 0 then
    redis.call('ZREM', key, unpack(members))
  end
  Q.set_line_alarm(id)
  return #members
end
