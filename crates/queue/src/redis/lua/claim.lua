-- Finding a line that may be spoken to, and taking jobs from it. A lease is a hash ':l:<fence>': '@line', '@worker',
-- '@lanes' that its holder serves, '@messages' charged so far, '@taken' jobs so far, and for each job not settled a field '<campaign>/<delivery>' with '<place>/<attempt>/<slot>/<minute of its charge>'. The
-- sorted set ':x' has the instant at which it runs out.

-- Lines and ring entries that one call looks at before it lets others be served.
Q.LOOKS = 128

-- `routes`, separated by commas: the process that asks takes no jobs of them.
function Q.bar(routes)
  Q.barred = {}
  for route in string.gmatch(routes, '[^,]+') do
    Q.barred[route] = true
  end
end

function Q.is_barred(name)
  return Q.barred[string.match(name, '@([^@]*)$') or name]
end

-- The first of a lane's list that the caller takes jobs of, brought to the front. The others stay listed: another
-- process may serve them.
function Q.first_name(lane)
  local list = Q.base .. ':L' .. lane
  local name = redis.call('LINDEX', list, 0)
  if not name or not Q.is_barred(name) then
    return name
  end
  for _, other in ipairs(redis.call('LRANGE', list, 0, -1)) do
    if not Q.is_barred(other) then
      redis.call('LREM', list, 1, other)
      redis.call('LPUSH', list, other)
      return other
    end
  end
  return nil
end

-- The first line of a lane that can be served, and how many messages its gate lets through. It stays listed, at the
-- front; lines before it that are empty or at a limit are taken out.
function Q.next_open(lane)
  while Q.looks > 0 do
    local name = Q.first_name(lane)
    if not name then
      return nil
    end
    Q.looks = Q.looks - 1
    local gate, value, of_route
    if Q.has_turn(Q.line_id(lane, name)) then
      gate, value, of_route = Q.line_gate(lane, name)
      if gate == 'open' then
        return name, value
      end
    end
    if Q.looks > 0 then
      Q.unlist_first(lane)
      Q.leave_stopped(lane, name, value, of_route)
    end
  end
  return nil
end

-- Sees to it that a line just taken out of the list is listed again when there is room. Without an instant it is when
-- a connection closes.
function Q.leave_stopped(lane, name, untill, of_route)
  if of_route then
    Q.park(lane, name, untill)
    return
  end
  if untill then
    Q.set_alarm('b' .. name, untill)
  end
  -- It may have been listed because its route had room, which another can use.
  Q.look_after_route(Q.route_key(name))
end

-- Up to `max` jobs of the line, charged: workspaces take turns, one job each, and in a workspace its campaigns. A list of
-- { slot, campaign, word, stream }.
function Q.take(id, max)
  local _, name = Q.lane_and_name(id)
  local jobs, stopped = {}, {}
  while #jobs < max and Q.looks > 0 do
    local front = Q.load_ring(id, max - #jobs)
    if not front[1] then
      break
    end
    Q.take_turns(id, front, max, jobs, stopped)
  end
  local taken, of_streams = {}, {}
  for _, job in ipairs(jobs) do
    taken[job.slot] = (taken[job.slot] or 0) + 1
    if job.stream then
      of_streams[job.stream] = (of_streams[job.stream] or 0) + 1
    end
  end
  for stream, count in pairs(of_streams) do
    Q.charge_stream(name, stream, count)
  end
  for slot, count in pairs(taken) do
    Q.move(id, slot, 'ready', -count)
    Q.move(id, slot, 'leased', count)
    Q.tidy(id, slot)
  end
  for _, slot in ipairs(stopped) do
    Q.leave_ring(id, slot, Q.turn_stop(id, slot))
  end
  Q.charge(name, #jobs)
  return jobs
end

-- Deals turns until enough are dealt or all were had, then takes the jobs.
function Q.take_turns(id, front, max, jobs, stopped)
  local order, rooms, had, head = {}, {}, {}, 1
  local waiting = { unpack(front) }
  while #jobs + #order < max and waiting[head] do
    local place = waiting[head]
    head = head + 1
    Q.deal(id, place, order, rooms, stopped)
    if place.turns[place.head] and front.whole then
      waiting[#waiting + 1] = place
    else
      had[#had + 1] = place
    end
  end
  Q.store_ring(id, front, waiting, head, had)
  for _, pile in ipairs(order) do
    if not pile.words then
      pile.words, pile.given = redis.call('LPOP', Q.pile_key(id, pile.slot), pile.take) or {}, 0
    end
    pile.given = pile.given + 1
    jobs[#jobs + 1] = { slot = pile.slot, campaign = pile.campaign, word = pile.words[pile.given], stream = pile.stream }
  end
end

-- One turn of a workspace: its front campaign gives a job and goes to the back, if it has more and its stream has room.
function Q.deal(id, place, order, rooms, stopped)
  local pile = place.turns[place.head]
  if not pile then
    return
  end
  place.head = place.head + 1
  local room = Q.room_in_stream(id, pile.stream, rooms)
  if pile.left > 0 and room > 0 then
    pile.left, pile.take, room = pile.left - 1, pile.take + 1, room - 1
    order[#order + 1] = pile
    if pile.stream then
      rooms[pile.stream] = room
    end
  end
  if pile.left > 0 and room > 0 then
    local back = place.whole and place.turns or place.had
    back[#back + 1] = pile
    place.changed = place.changed or place.count > 1 or not place.whole
    return
  end
  place.changed = true
  Q.mark(Q.pile(id, pile.slot), '-')
  if pile.left > 0 then
    stopped[#stopped + 1] = pile.slot
  end
end

-- Messages for which a stream has room now, those dealt already taken off.
function Q.room_in_stream(id, stream, rooms)
  if not stream then
    return Q.NO_LIMIT
  end
  if not rooms[stream] then
    local lane, name = Q.lane_and_name(id)
    rooms[stream] = Q.stream_room(Q.plain_budget(Q.stream_name(name, stream)), tonumber(lane))
  end
  return rooms[stream]
end

function Q.lease_key(fence)
  return Q.base .. ':l:' .. fence
end

function Q.delivery_and_attempt(word)
  local colon = string.find(word, ':', 2, true)
  if colon then
    return string.sub(word, 1, colon - 1), string.sub(word, colon + 1)
  end
  return word, '1'
end

-- Without jobs that the lease holds already: who fills the queue from the ledger may push one twice, and one connection
-- needs it once.
function Q.without_doubles(id, fence, jobs, taken)
  local fields, held, seen, once = {}, {}, {}, {}
  for i, job in ipairs(jobs) do
    job.delivery, job.attempt = Q.delivery_and_attempt(job.word)
    fields[i] = job.campaign .. '/' .. job.delivery
  end
  if taken > 0 and #jobs > 0 then
    held = redis.call('HMGET', Q.lease_key(fence), unpack(fields))
  end
  for i, job in ipairs(jobs) do
    job.field = fields[i]
    if held[i] or seen[job.field] then
      Q.move(id, job.slot, 'leased', -1)
      Q.tidy_campaign(job.slot)
    else
      seen[job.field] = true
      once[#once + 1] = job
    end
  end
  return once
end

-- Writes jobs into the lease and gives them as the client reads them: campaign, word, campaign, word …
function Q.record(id, fence, jobs, messages, taken, more)
  local put = { '@messages', Q.text(messages), '@taken', Q.text(taken + #jobs) }
  for i = 1, #(more or {}) do
    put[#put + 1] = more[i]
  end
  local reply, minute = {}, Q.text(Q.minute())
  for i, job in ipairs(Q.without_doubles(id, fence, jobs, taken)) do
    put[#put + 1] = job.field
    put[#put + 1] = (taken + i) .. '/' .. job.attempt .. '/' .. job.slot .. '/' .. minute
    reply[#reply + 1] = job.campaign
    reply[#reply + 1] = job.word
  end
  redis.call('HSET', Q.lease_key(fence), unpack(put))
  return reply
end

function Q.left(limit, carried)
  return limit == Q.NO_LIMIT and limit or math.max(0, limit - carried)
end

function Q.grant(lane, name, worker, lanes, max)
  local id = Q.line_id(lane, name)
  local limit = Q.message_limit(name)
  Q.unlist_first(lane)
  local jobs = Q.take(id, max)
  -- To the end of the list, without calling for a waiter: the one at work sees to it.
  local newly = Q.newly_listed
  Q.list(id)
  Q.newly_listed = newly
  if #jobs > 0 then
    for _, budget in ipairs(Q.budgets(name)) do
      Q.add(budget, 'open', 1)
    end
  end
  Q.look_after_route(Q.route_key(name))
  if #jobs == 0 then
    return nil
  end
  -- Never one that was given before, even if what Redis knew of the last ones was lost.
  local fence = math.max(Q.num(Q.meta, 'fence') + 1, Q.server_now)
  Q.set(Q.meta, 'fence', fence)
  fence = Q.text(fence)
  redis.call('ZADD', Q.base .. ':x', Q.text(Q.now + Q.options.lease), fence)
  local reply = Q.record(id, fence, jobs, #jobs, 0, { '@line', id, '@worker', worker, '@lanes', lanes })
  return { 'grant', fence, tostring(lane), name, Q.text(Q.left(limit, #jobs)), reply }
end

-- `lanes` are the digits of those that are served. `first` is '1' at the first look of a caller: one that was told to make
-- way has come back.
function Q.claim(worker, lanes, max, first)
  if first == '1' then
    Q.set(Q.meta, 'told_to_close', math.max(0, Q.num(Q.meta, 'told_to_close') - 1))
  end
  local chores_left = Q.do_chores()
  Q.looks = Q.LOOKS
  if Q.ring_alarms() then
    return { 'again' }
  end
  for digit in string.gmatch(lanes, '%d') do
    local lane = tonumber(digit)
    while true do
      local name, messages = Q.next_open(lane)
      if not name then
        break
      end
      local grant = Q.grant(lane, name, worker, lanes, math.min(max, messages))
      if grant then
        return grant
      end
      Q.looks = Q.looks - 1
    end
    if Q.looks <= 0 then
      return { 'again' }
    end
  end
  if chores_left then
    return { 'again' }
  end
  Q.somebody_waits_here()
  return { 'nothing' }
end
