-- Leases that ran out, in the sorted set ':xr' with the instant at which their jobs are handed over next: again and again
-- until somebody says what became of them, so that whoever asks may die at any moment.

Q.HAND_OUT_AGAIN_US = 1e7

-- Up to about `max_jobs` jobs. The first value says whether there are more; then a row for each lease: fence, worker, lane,
-- name, and campaign, delivery, attempt of each job. No token comes back: whether these messages left is not known here.
function Q.expired(max_jobs, look_at)
  for _, fence in ipairs(redis.call('ZRANGEBYSCORE', Q.base .. ':x', '-inf', Q.text(Q.now), 'LIMIT', 0, max_jobs)) do
    local _, name = Q.lane_and_name(redis.call('HGET', Q.lease_key(fence), '@line'))
    redis.call('ZREM', Q.base .. ':x', fence)
    redis.call('ZADD', Q.base .. ':xr', Q.text(Q.now), fence)
    Q.free_connection(name)
  end
  local rows, count, more = {}, 0, '0'
  for _, fence in ipairs(redis.call('ZRANGEBYSCORE', Q.base .. ':xr', '-inf', Q.text(Q.now), 'LIMIT', 0, max_jobs)) do
    if count >= max_jobs then
      more = '1'
      break
    end
    local row, jobs = Q.hand_over(fence)
    if jobs > 0 then
      rows[#rows + 1], count = row, count + jobs
    end
  end
  Q.forget_idle(look_at)
  return { more, rows }
end

function Q.hand_over(fence)
  local jobs, head = Q.held_jobs(fence)
  if #jobs == 0 then
    Q.end_recovery(fence)
    return nil, 0
  end
  redis.call('ZADD', Q.base .. ':xr', Q.text(Q.now + Q.HAND_OUT_AGAIN_US), fence)
  local lane, name = Q.lane_and_name(head['@line'])
  local row = { fence, head['@worker'], lane, name }
  for _, job in ipairs(jobs) do
    for _, value in ipairs({ job.campaign, job.delivery, job.attempt }) do
      row[#row + 1] = value
    end
  end
  return row, #jobs
end

function Q.end_recovery(fence)
  redis.call('ZREM', Q.base .. ':xr', fence)
  redis.call('UNLINK', Q.lease_key(fence))
end

-- `again` has campaign and delivery of each job that goes back to the front of its list; the others are forgotten.
function Q.recovered(fence, again)
  if not redis.call('ZSCORE', Q.base .. ':xr', fence) then
    return
  end
  local back = {}
  for i = 1, #again, 2 do
    back[again[i] .. '/' .. again[i + 1]] = true
  end
  local jobs, head = Q.held_jobs(fence)
  local id = head['@line']
  for i = #jobs, 1, -1 do
    local job = jobs[i]
    if back[job.campaign .. '/' .. job.delivery] then
      Q.put_back(id, job)
    else
      Q.move(id, job.slot, 'leased', -1)
      Q.tidy_campaign(job.slot)
    end
  end
  Q.end_recovery(fence)
end
