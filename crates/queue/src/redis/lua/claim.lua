-- Finding a line that may be spoken to, and taking jobs from it. A lease is a hash ':l:<fence>': '@line', '@worker',
-- '@messages' charged so far, '@taken' jobs so far, and for each job not settled a field '<campaign>/<delivery>' with '<place>/<attempt>/<slot>/<minute of its charge>'. The
-- sorted set ':x' has the instant at which it runs out.

-- Lines and ring entries that one call looks at before it lets others be served.
Q.LOOKS = 128

-- Some campaign of the line can be claimed from. Takes paused and dropped ones out of the front of the ring.
function Q.has_turn(id)
  local ring = Q.base .. ':r:' .. id
  while Q.looks > 0 do
    local slot = redis.call('LINDEX', ring, 0)
    if not slot then
      return false
    end
    local campaign = Q.campaign(slot)
    if campaign and not campaign.fields.paused then
      return true
    end
    Q.looks = Q.looks - 1
    redis.call('LPOP', ring)
    Q.leave_ring(id, slot)
  end
  return false
end

-- For a pile whose ring entry was taken out: parks it if the campaign is paused.
function Q.leave_ring(id, slot)
  local pile = Q.campaign(slot) and Q.pile(id, slot)
  if pile and pile.mark then
    Q.mark(pile, '-')
    Q.offer(id, slot)
  end
end

-- The first line of a lane that can be served, and how many messages its gate lets through. It stays listed, at the
-- front; lines before it that are empty or at a limit are taken out.
function Q.next_open(lane)
  while Q.looks > 0 do
    local name = redis.call('LINDEX', Q.base .. ':L' .. lane, 0)
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

-- Up to `max` jobs of the line, one from each campaign in turn, charged: a list of { slot, campaign, word }.
function Q.take(id, max)
  local ring, jobs = Q.base .. ':r:' .. id, {}
  while #jobs < max and Q.looks > 0 do
    local slots = redis.call('LRANGE', ring, 0, max - #jobs - 1)
    if #slots == 0 then
      break
    end
    redis.call('LTRIM', ring, #slots, -1)
    Q.looks = Q.looks - #slots
    local others = redis.call('EXISTS', ring) == 1
    Q.take_round(id, Q.with_jobs(id, slots), max, others, jobs)
  end
  local taken = {}
  for _, job in ipairs(jobs) do
    taken[job.slot] = (taken[job.slot] or 0) + 1
  end
  for slot, count in pairs(taken) do
    Q.move(id, slot, 'ready', -count)
    Q.move(id, slot, 'leased', count)
    Q.tidy(id, slot)
  end
  local _, name = Q.lane_and_name(id)
  Q.charge(name, #jobs)
  return jobs
end

-- The piles of these campaigns that can be taken from; the others leave the ring.
function Q.with_jobs(id, slots)
  local piles = {}
  for _, slot in ipairs(slots) do
    local campaign = Q.campaign(slot)
    if campaign and not campaign.fields.paused then
      local length = redis.call('LLEN', Q.pile_key(id, slot))
      piles[#piles + 1] = { slot = slot, campaign = campaign.fields.id, left = length, take = 0 }
    else
      Q.leave_ring(id, slot)
    end
  end
  return piles
end

-- Takes from these piles in turn: once around if other campaigns stand behind them, else until all is taken.
function Q.take_round(id, piles, max, others, jobs)
  local order, turn, first = {}, piles, #jobs
  repeat
    local next_turn = {}
    for at, pile in ipairs(turn) do
      if first + #order >= max then
        -- Who had no turn now has the first one later.
        local rest = {}
        for i = at, #turn do
          rest[#rest + 1] = turn[i]
        end
        for _, had in ipairs(next_turn) do
          rest[#rest + 1] = had
        end
        next_turn = rest
        break
      end
      if pile.left > 0 then
        pile.left, pile.take = pile.left - 1, pile.take + 1
        order[#order + 1] = pile
      end
      if pile.left > 0 then
        next_turn[#next_turn + 1] = pile
      end
    end
    turn = next_turn
  until others or #turn == 0 or first + #order >= max
  for _, pile in ipairs(piles) do
    pile.words = pile.take > 0 and redis.call('LPOP', Q.pile_key(id, pile.slot), pile.take) or {}
    pile.given = 0
    Q.mark(Q.pile(id, pile.slot), '-')
  end
  for _, pile in ipairs(order) do
    pile.given = pile.given + 1
    jobs[#jobs + 1] = { slot = pile.slot, campaign = pile.campaign, word = pile.words[pile.given] }
  end
  for _, pile in ipairs(turn) do
    Q.mark(Q.pile(id, pile.slot), 'i')
    redis.call('RPUSH', Q.base .. ':r:' .. id, pile.slot)
  end
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

function Q.grant(lane, name, worker, max, messages)
  local id = Q.line_id(lane, name)
  local limit = Q.message_limit(name)
  Q.unlist_first(lane)
  local jobs = Q.take(id, math.min(max, messages))
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
  local reply = Q.record(id, fence, jobs, #jobs, 0, { '@line', id, '@worker', worker })
  return { 'grant', fence, tostring(lane), name, Q.text(Q.left(limit, #jobs)), reply }
end

-- `first` is '1' at the first look of a caller: one that was told to make way has come back.
function Q.claim(worker, max, first)
  if first == '1' then
    Q.set(Q.meta, 'told_to_close', math.max(0, Q.num(Q.meta, 'told_to_close') - 1))
  end
  local chores_left = Q.do_chores()
  Q.looks = Q.LOOKS
  if Q.ring_alarms() then
    return { 'again' }
  end
  for lane = 0, Q.LAST_LANE do
    while true do
      local name, messages = Q.next_open(lane)
      if not name then
        break
      end
      local grant = Q.grant(lane, name, worker, max, messages)
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
