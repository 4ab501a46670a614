-- The functions as the client calls them. `@` stands for the version of this text, so that two releases run side by side.

-- `grows`: it only adds, and is refused when the server is out of memory. Everything else must go on then, for it is
-- what frees memory.
local function register(name, remembers, body, grows)
  redis.register_function({
    function_name = '@_' .. name,
    flags = not grows and { 'allow-oom' } or nil,
    callback = function(keys, args)
      Q.begin(keys, args)
      local reply = remembers and Q.remembered()
      if reply and reply.err then
        return reply
      end
      if not reply then
        local own = {}
        for i = Q.COMMON_ARGS + 1, #args do
          own[#own + 1] = args[i]
        end
        local keep
        reply, keep = body(own)
        reply = reply or {}
        if remembers and keep then
          Q.remember(reply)
        end
      end
      Q.call_waiters()
      Q.write()
      return { Q.header(), reply }
    end,
  })
end

-- lane, name, stream, workspace, then for each run of jobs of one campaign: campaign, how many, words.
register('push', true, function(a)
  local name = a[2]
  Q.set(Q.budget(name), 'used', Q.now)
  local at = 5
  while a[at] do
    local count, words = tonumber(a[at + 1]), {}
    for i = 1, count do
      words[i] = a[at + 1 + i]
    end
    Q.push(Q.line_id(a[1], name), Q.slot_of(a[at], a[4], a[3]), words)
    at = at + 2 + count
  end
  return {}, true
end, true)

-- lane, name, stream, workspace, then campaign, word, delay for each job.
register('push_delayed', true, function(a)
  local id = Q.line_id(a[1], a[2])
  Q.set(Q.budget(a[2]), 'used', Q.now)
  for i = 5, #a, 3 do
    Q.push_delayed(id, Q.slot_of(a[i], a[4], a[3]), a[i + 1], Q.text(Q.now + tonumber(a[i + 2])))
  end
  Q.set_line_alarm(id)
  return {}, true
end, true)

register('claim', true, function(a)
  Q.bar(a[5])
  local reply = Q.claim(a[1], a[2], tonumber(a[3]), a[4])
  return reply, reply[1] == 'grant'
end)

register('more', true, function(a)
  Q.bar(a[6])
  local reply = Q.more(a[1], tonumber(a[2]), { tonumber(a[3]), tonumber(a[4]), tonumber(a[5]) })
  return reply, reply[1] == 'jobs'
end)

register('settle', false, function(a)
  local settled = {}
  for i = 2, #a do
    settled[i - 1] = a[i]
  end
  return Q.settle(a[1], settled)
end)

register('extend', false, function(a)
  return { Q.extend(a[1]) and 'held' or 'lost' }
end)

register('close', false, function(a)
  Q.close(a[1])
end)

-- name, stream or nothing, knob, duration, why, then how far the knob is turned, and how long it stays there.
register('signal', true, function(a)
  local cut = { how = a[6], count = tonumber(a[7]), stay = tonumber(a[8]) }
  if a[2] == '' then
    return Q.signal(Q.budget(a[1]), a[3], a[4], a[5], cut), true
  end
  return Q.signal_stream(a[1], a[2], a[3], a[4], a[5], cut), true
end)

-- name, stream or nothing, why.
register('release', true, function(a)
  Q.release_budget(a[1], a[2], a[3])
  return {}, true
end)

-- name, then the limits.
register('set_limits', false, function(a)
  Q.set_limits(table.remove(a, 1), a)
end)

-- name or '@' and the route, a minute since 1970, messages in its minute, hour and day.
register('sent', false, function(a)
  Q.sent(Q.budget(a[1]), tonumber(a[2]), { tonumber(a[3]), tonumber(a[4]), tonumber(a[5]) })
end)

-- route, then the limits.
register('set_route_limits', false, function(a)
  Q.set_route_limits(table.remove(a, 1), a)
end)

register('pause', false, function(a)
  Q.pause(a[1])
end)

register('resume', false, function(a)
  Q.resume(a[1])
end)

register('drop', false, function(a)
  Q.drop(a[1])
end)

register('expired', false, function(a)
  return Q.expired(tonumber(a[1]), a[2])
end)

register('recovered', false, function(a)
  Q.recovered(table.remove(a, 1), a)
end)

register('report', false, function(a)
  return Q.report(a[1], a[2])
end)

register('report_routes', false, function(a)
  return Q.report_routes(a[1], a[2])
end)

register('report_campaigns', false, function(a)
  return Q.report_campaigns(a[1], a[2])
end)

register('tick', false, function(a)
  return Q.tick(a)
end)
