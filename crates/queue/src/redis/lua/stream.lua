-- Streams: the mail of one sending domain to a destination, a budget named '<destination>#<stream>'. It has no limits of
-- its own, but may be held or slowed by itself. Those that were ever signalled stand in ':st:<destination>'; campaigns
-- that wait for one lie in ':z:<destination>#<stream>' as '<line>|<slot>'.

-- Waiting campaigns that one call offers again.
Q.OFFER_STREAM = 64

function Q.stream_name(name, stream)
  return name .. '#' .. stream
end

-- The budget of a campaign's stream, or nil when it has none.
function Q.stream(name, campaign)
  local stream = campaign and campaign.fields.st
  return stream and Q.plain_budget(Q.stream_name(name, stream)) or nil
end

-- Messages that a stream has room for, and when there is none, what stops it and until when.
function Q.stream_room(budget, lane)
  local held = Q.held_until(budget)
  if held then
    return 0, 'held', held
  end
  if not Q.turned(budget, 'r') then
    return Q.NO_LIMIT
  end
  local tokens = Q.tokens(budget, lane)
  if tokens == 0 then
    return 0, 'tokens', Q.next_token_at(budget, lane)
  end
  return tokens
end

function Q.charge_stream(name, stream, count)
  local budget = Q.budget(Q.stream_name(name, stream))
  Q.take_tokens(budget, count)
  Q.meter_add(budget, count)
  Q.set(budget, 'used', Q.now)
end

function Q.refund_stream(name, campaign, count)
  local budget = Q.stream(name, campaign)
  if budget and budget.fields.used then
    Q.give_tokens_back(budget, count)
    Q.meter_add(budget, -count)
  end
end

-- Lets a campaign just taken out of the ring wait until its stream has room.
function Q.park_at_stream(id, slot, untill)
  local _, name = Q.lane_and_name(id)
  local stream = Q.campaign(slot).fields.st
  Q.mark(Q.pile(id, slot), 's')
  redis.call('RPUSH', Q.base .. ':z:' .. Q.stream_name(name, stream), id .. '|' .. slot)
  redis.call('SADD', Q.base .. ':st:' .. name, stream)
  Q.set_alarm('b' .. name, untill)
end

-- Streams of a destination may have room: offers the campaigns that wait for them, or sets the alarm.
function Q.look_after_streams(name)
  for _, stream in ipairs(redis.call('SMEMBERS', Q.base .. ':st:' .. name)) do
    local full = Q.stream_name(name, stream)
    local parked, budget = Q.base .. ':z:' .. full, Q.plain_budget(full)
    local room, _, untill = Q.stream_room(budget, Q.TRANSACTIONAL)
    if room == 0 then
      if redis.call('EXISTS', parked) == 1 then
        Q.set_alarm('b' .. name, untill)
      end
    else
      Q.offer_parked_at_stream(name, parked)
      if room == Q.NO_LIMIT and redis.call('EXISTS', parked) == 0 then
        redis.call('SREM', Q.base .. ':st:' .. name, stream)
      end
    end
  end
end

function Q.offer_parked_at_stream(name, parked)
  local waiting = redis.call('LPOP', parked, Q.OFFER_STREAM) or {}
  for _, entry in ipairs(waiting) do
    local id, slot = string.match(entry, '^(.*)|(%d+)$')
    local pile = Q.campaign(slot) and Q.pile(id, slot)
    if pile and pile.mark == 's' then
      Q.mark(pile, '-')
      Q.offer(id, slot)
    end
  end
  if #waiting == Q.OFFER_STREAM then
    Q.set_alarm('b' .. name, Q.now)
  end
end

-- The stream that keeps this line's campaigns waiting, the one that is free first: what stops it and until when.
function Q.stopped_by_stream(lane, name)
  local by, soonest
  for _, stream in ipairs(redis.call('SMEMBERS', Q.base .. ':st:' .. name)) do
    local room, what, untill = Q.stream_room(Q.plain_budget(Q.stream_name(name, stream)), lane)
    if room == 0 and (not soonest or untill < soonest) then
      by, soonest = what, untill
    end
  end
  return by, soonest
end

-- A stream has a rate and holds, but no connections of its own: the other knobs are the destination's.
function Q.signal_stream(name, stream, knob, duration, why, cut)
  local budget = Q.budget(Q.stream_name(name, stream))
  redis.call('SADD', Q.base .. ':st:' .. name, stream)
  local is_rate = knob == 'r'
  local turn = Q.signal(budget, is_rate and knob or '', duration, why, cut)
  if is_rate or knob == '' then
    return turn
  end
  return Q.signal(Q.budget(name), knob, '', why, cut)
end

-- An operator's word: lifts the hold of a destination, or of one of its streams, and lets its knobs return.
function Q.release_budget(name, stream, why)
  Q.set_free(Q.budget(stream == '' and name or Q.stream_name(name, stream)), why)
  Q.room_again(name)
end
