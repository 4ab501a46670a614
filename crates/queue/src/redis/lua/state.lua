-- One call's view of one partition of the queue.
--
-- All keys of a partition begin with KEYS[1], whose hash tag puts them into one slot. Hashes are read once, changed in
-- memory and written at the end, so that a call costs few commands. Numbers are doubles: instants are microseconds
-- (exact up to the year 2255); ids of deliveries and campaigns stay strings.
local Q = {}

-- "No limit", as the client knows it: the largest number of 32 bits.
Q.NO_LIMIT = 4294967295
-- Lanes 0, 1 and 2. A part of each budget is kept for the first: one in so many.
Q.LAST_LANE = 2
Q.TRANSACTIONAL = 0
Q.RESERVED_ONE_IN = 10
-- The turns of a knob that a budget remembers.
Q.HISTORY_TURNS = 20
-- A budget's limits, in the order in which the client tells them.
Q.LIMITS = { 'per_second', 'burst', 'minute', 'hour', 'day', 'connections', 'messages' }
-- Layout of the keys. Another one refuses to start beside it.
Q.SCHEMA = 2
-- ARGV that every call has come before its own.
Q.COMMON_ARGS = 18
-- How long somebody who found nothing counts as waiting, without word from it.
Q.WAITS_US = 3e6

function Q.text(value)
  if type(value) == 'number' then
    return string.format('%.17g', value)
  end
  return value
end

-- `args` are the ones that every call has; see `call.rs`.
function Q.begin(keys, args)
  Q.base = keys[1]
  Q.hashes, Q.piles, Q.slots = {}, {}, {}
  Q.newly_listed = 0
  local time = redis.call('TIME')
  Q.server_now = tonumber(time[1]) * 1e6 + tonumber(time[2])
  Q.now = tonumber(args[1]) or Q.server_now
  Q.client, Q.channel, Q.seq = args[2], args[3], tonumber(args[4])
  local n = {}
  for i = 5, Q.COMMON_ARGS do
    n[i] = tonumber(args[i])
  end
  Q.options = {
    lease = n[12], recovery = n[13], recovery_jobs = n[14], reaction = n[15], turn = n[16], forget = n[17],
  }
  for i, which in ipairs(Q.LIMITS) do
    Q.options[which] = n[4 + i]
  end
  Q.meta = Q.hash(':m')
  if not Q.meta.fields.epoch then
    Q.set(Q.meta, 'product', 'tidings-queue')
    Q.set(Q.meta, 'schema', Q.SCHEMA)
    Q.set(Q.meta, 'partitions', n[18])
    Q.set(Q.meta, 'epoch', Q.server_now)
  end
end

function Q.hash(name)
  local hash = Q.hashes[name]
  if not hash then
    local flat = redis.call('HGETALL', Q.base .. name)
    local fields = {}
    for i = 1, #flat, 2 do
      fields[flat[i]] = flat[i + 1]
    end
    hash = { key = Q.base .. name, fields = fields, changed = {} }
    Q.hashes[name] = hash
  end
  return hash
end

function Q.num(hash, field)
  return tonumber(hash.fields[field] or 0)
end

-- Absent and 0 are the same for numbers, and absent costs nothing.
function Q.set(hash, field, value)
  if value == 0 then
    value = nil
  end
  hash.fields[field] = value
  hash.changed[field] = true
end

function Q.add(hash, field, by)
  Q.set(hash, field, Q.num(hash, field) + by)
end

function Q.erase(hash)
  hash.fields, hash.changed, hash.erased = {}, {}, true
end

function Q.write_hash(hash)
  if hash.erased then
    redis.call('UNLINK', hash.key)
  end
  local put, del = {}, {}
  for field in pairs(hash.changed) do
    local value = hash.fields[field]
    if value == nil then
      del[#del + 1] = field
    else
      put[#put + 1] = field
      put[#put + 1] = Q.text(value)
    end
  end
  if #put > 0 then
    redis.call('HSET', hash.key, unpack(put))
  end
  if #del > 0 then
    redis.call('HDEL', hash.key, unpack(del))
  end
end

function Q.write()
  for _, hash in pairs(Q.hashes) do
    Q.write_hash(hash)
  end
  for _, pile in pairs(Q.piles) do
    Q.write_pile(pile)
  end
end

-- Every reply begins with what the client must know in any case: the epoch, lines listed now, the lowest lane among
-- them, lines listed by this call, and after how many microseconds something is due (-1: nothing is).
function Q.header()
  local listed, lowest = 0, Q.LAST_LANE + 1
  for lane = Q.LAST_LANE, 0, -1 do
    local count = redis.call('LLEN', Q.base .. ':L' .. lane)
    if count > 0 then
      listed, lowest = listed + count, lane
    end
  end
  local alarm = redis.call('ZRANGE', Q.base .. ':a', 0, 0, 'WITHSCORES')
  local due = alarm[2] and math.max(0, tonumber(alarm[2]) - Q.now) or -1
  return { Q.text(Q.num(Q.meta, 'epoch')), listed, lowest, Q.newly_listed, Q.text(due) }
end

-- Tells other processes of lines newly listed, if one of them may be waiting.
function Q.call_waiters()
  if Q.newly_listed > 0 and Q.num(Q.meta, 'waits_until') > Q.now then
    redis.call('PUBLISH', Q.base .. ':wake', Q.client .. ' ' .. Q.newly_listed)
  end
end

function Q.somebody_waits_here()
  -- Written a few times a second at most.
  if Q.num(Q.meta, 'waits_until') < Q.now + Q.WAITS_US * 0.8 then
    Q.set(Q.meta, 'waits_until', Q.now + Q.WAITS_US)
  end
end

-- The reply of the same request asked before, or nil. A client has a channel for each call in flight, so one reply
-- for each channel is enough, whatever the number of calls.
function Q.remembered()
  local packed = redis.call('HGET', Q.base .. ':s:' .. Q.client, Q.channel)
  if not packed then
    return nil
  end
  local last = cmsgpack.unpack(packed)
  if last.seq == Q.seq then
    return last.reply
  end
  if last.seq > Q.seq then
    return redis.error_reply('STALE a later request of this channel was served')
  end
  return nil
end

function Q.remember(reply)
  redis.call('HSET', Q.base .. ':s:' .. Q.client, Q.channel, cmsgpack.pack({ seq = Q.seq, reply = reply }))
end
