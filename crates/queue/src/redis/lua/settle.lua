-- How jobs end.

-- A sign of life. False when the lease is lost.
function Q.extend(fence)
  if not redis.call('ZSCORE', Q.base .. ':x', fence) then
    return false
  end
  redis.call('ZADD', Q.base .. ':x', Q.text(Q.now + Q.options.lease), fence)
  return true
end

-- `settled` has four values for each job: campaign, delivery, attempt, and 'done', 'release', 'void' or a delay. Matched by
-- campaign and delivery: the attempt may have moved on. Asked again, it finds nothing left to do.
function Q.settle(fence, settled)
  if not Q.extend(fence) then
    return { 'lost' }
  end
  local key, fields = Q.lease_key(fence), { '@line', '@messages' }
  for i = 1, #settled, 4 do
    fields[#fields + 1] = settled[i] .. '/' .. settled[i + 1]
  end
  local held = redis.call('HMGET', key, unpack(fields))
  local id, seen, gone, released, void = held[1], {}, {}, {}, {}
  for n = 3, #fields do
    local field, value = fields[n], held[n]
    if value and not seen[field] then
      seen[field] = true
      gone[#gone + 1] = field
      local at = (n - 3) * 4 + 1
      local slot = string.match(value, '(%d+)/%d+$')
      Q.settle_one(id, slot, settled, at, value, released, void)
    end
  end
  if #gone > 0 then
    redis.call('HDEL', key, unpack(gone))
    Q.set_line_alarm(id)
  end
  if #released + #void > 0 then
    redis.call('HSET', key, '@messages', Q.text(math.max(0, tonumber(held[2]) - #released - #void)))
  end
  if #released > 0 then
    Q.release(id, released)
  end
  if #void > 0 then
    Q.give_back(id, void)
  end
  return { 'held' }
end

function Q.settle_one(id, slot, settled, at, value, released, void)
  local how = settled[at + 3]
  if how == 'release' then
    local attempt, minute = string.match(value, '/(%-?%d+)/%d+/(%d+)$')
    released[#released + 1] = { slot = slot, word = Q.word(settled[at + 1], attempt), minute = tonumber(minute) }
    return
  end
  if how == 'void' then
    Q.move(id, slot, 'leased', -1)
    local _, name = Q.lane_and_name(id)
    Q.refund_stream(name, Q.campaign(slot), 1)
    Q.tidy_campaign(slot)
    void[#void + 1] = tonumber(string.match(value, '/(%d+)$'))
    return
  end
  Q.move(id, slot, 'leased', -1)
  if how == 'done' then
    Q.done(id, slot)
    return
  end
  -- A dropped campaign's job does not come back.
  if Q.campaign(slot) then
    Q.push_delayed(id, slot, Q.word(settled[at + 1], settled[at + 2]), Q.text(Q.now + tonumber(how)))
    Q.tidy_campaign(slot)
  end
end

function Q.done(id, slot)
  local _, name = Q.lane_and_name(id)
  local stream = Q.stream(name, Q.campaign(slot))
  local rose = Q.count_done(Q.budget(name))
  if stream and Q.count_done(stream) then
    rose = true
  end
  Q.tidy_campaign(slot)
  if rose then
    Q.room_again(name)
  end
end

function Q.word(delivery, attempt)
  return attempt == '1' and delivery or delivery .. ':' .. attempt
end

-- Puts jobs back to the front of their lists, in their order, and their tokens back to the rate.
function Q.release(id, released)
  local _, name = Q.lane_and_name(id)
  local charged = {}
  for n = #released, 1, -1 do
    charged[#charged + 1] = released[n].minute
    Q.refund_stream(name, Q.campaign(released[n].slot), 1)
    Q.put_back(id, released[n])
  end
  Q.give_back(id, charged)
end

-- The tokens of messages that were not begun, by the minutes in which they were charged.
function Q.give_back(id, charged)
  local _, name = Q.lane_and_name(id)
  Q.refund(name, charged)
  Q.room_again(name)
end

-- A dropped campaign's job does not come back.
function Q.put_back(id, job)
  Q.move(id, job.slot, 'leased', -1)
  if Q.campaign(job.slot) then
    Q.pile_or_new(id, job.slot)
    redis.call('LPUSH', Q.pile_key(id, job.slot), job.word)
    Q.move(id, job.slot, 'ready', 1)
    Q.offer(id, job.slot)
  end
end

-- What a lease still holds, in the order in which it was taken: campaign, delivery, attempt, slot, minute.
function Q.held_jobs(fence)
  local flat, jobs, head = redis.call('HGETALL', Q.lease_key(fence)), {}, {}
  for i = 1, #flat, 2 do
    local campaign, delivery = string.match(flat[i], '^(%-?%d+)/(%-?%d+)$')
    if campaign then
      local taken, attempt, slot, minute = string.match(flat[i + 1], '^(%d+)/(%-?%d+)/(%d+)/(%d+)$')
      jobs[#jobs + 1] = {
        campaign = campaign, delivery = delivery, attempt = attempt, slot = slot, taken = tonumber(taken),
        minute = tonumber(minute), word = Q.word(delivery, attempt),
      }
    else
      head[flat[i]] = flat[i + 1]
    end
  end
  table.sort(jobs, function(a, b) return a.taken < b.taken end)
  return jobs, head
end

function Q.end_lease(fence)
  redis.call('ZREM', Q.base .. ':x', fence)
  redis.call('UNLINK', Q.lease_key(fence))
end

function Q.close(fence)
  if not redis.call('ZSCORE', Q.base .. ':x', fence) then
    return
  end
  local jobs, head = Q.held_jobs(fence)
  Q.end_lease(fence)
  if #jobs > 0 then
    Q.release(head['@line'], jobs)
  end
  local _, name = Q.lane_and_name(head['@line'])
  Q.free_connection(name)
end
