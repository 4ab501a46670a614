-- Whose turn it is: ':r:<line>' names the workspaces that have campaigns to offer, ':v:<line>/<workspace>' the campaigns
-- of each, in turn. A workspace is named while its list is not empty.

function Q.ring_key(id)
  return Q.base .. ':r:' .. id
end

function Q.campaigns_key(id, workspace)
  return Q.base .. ':v:' .. id .. '/' .. workspace
end

function Q.workspace(campaign)
  return campaign.fields.ws or '0'
end

function Q.ring_push(id, slot)
  local workspace = Q.workspace(Q.campaign(slot))
  if redis.call('RPUSH', Q.campaigns_key(id, workspace), slot) == 1 then
    redis.call('RPUSH', Q.ring_key(id), workspace)
  end
end

-- What keeps a campaign from its turn: 'campaign' when it is paused or dropped, 'stream' and until when, or nil.
function Q.turn_stop(id, slot)
  local campaign = Q.campaign(slot)
  if not campaign or campaign.fields.paused then
    return 'campaign'
  end
  local lane, name = Q.lane_and_name(id)
  local stream = Q.stream(name, campaign)
  if stream then
    local room, _, untill = Q.stream_room(stream, tonumber(lane))
    if room == 0 then
      return 'stream', untill
    end
  end
  return nil
end

-- For a pile whose ring entry was taken out: lets it wait where it is stopped.
function Q.leave_ring(id, slot, stop, untill)
  local pile = Q.campaign(slot) and Q.pile(id, slot)
  if not pile or not pile.mark then
    return
  end
  Q.mark(pile, '-')
  if stop == 'stream' then
    Q.park_at_stream(id, slot, untill)
  else
    Q.offer(id, slot)
  end
end

-- Some campaign of the line can be claimed from. Takes those that have no turn out of the front of the ring.
function Q.has_turn(id)
  local ring = Q.ring_key(id)
  while Q.looks > 0 do
    local workspace = redis.call('LINDEX', ring, 0)
    if not workspace then
      return false
    end
    local campaigns = Q.campaigns_key(id, workspace)
    local slot = redis.call('LINDEX', campaigns, 0)
    local stop, untill = Q.turn_stop(id, slot)
    if not stop then
      return true
    end
    Q.looks = Q.looks - 1
    redis.call('LPOP', campaigns)
    if redis.call('EXISTS', campaigns) == 0 then
      redis.call('LPOP', ring)
    end
    Q.leave_ring(id, slot, stop, untill)
  end
  return false
end

-- The front of the ring as one call sees it: at most `max` workspaces, and of each at most `max` campaigns, without those
-- that have no turn. `whole` says that nothing stands behind.
function Q.load_ring(id, max)
  local names = redis.call('LRANGE', Q.ring_key(id), 0, max - 1)
  local front = {}
  for i, workspace in ipairs(names) do
    if Q.looks <= 0 then
      break
    end
    front[i] = Q.load_workspace(id, workspace, max)
  end
  front.whole = redis.call('LLEN', Q.ring_key(id)) == #front
  return front
end

function Q.load_workspace(id, workspace, max)
  local key = Q.campaigns_key(id, workspace)
  local slots = redis.call('LRANGE', key, 0, max - 1)
  local place = { key = key, workspace = workspace, count = #slots, turns = {}, head = 1, had = {} }
  for _, slot in ipairs(slots) do
    local stop, untill = Q.turn_stop(id, slot)
    if stop then
      place.changed = true
      Q.leave_ring(id, slot, stop, untill)
    else
      local campaign = Q.campaign(slot)
      local length = redis.call('LLEN', Q.pile_key(id, slot))
      place.turns[#place.turns + 1] = {
        slot = slot, campaign = campaign.fields.id, stream = campaign.fields.st, left = length, take = 0,
      }
    end
  end
  place.whole = redis.call('LLEN', key) == #slots
  Q.looks = Q.looks - #slots - 1
  return place
end

local function is_empty(place)
  return place.whole and not place.turns[place.head] and #place.had == 0
end

-- Writes back who stands in the ring now: first who had no turn yet, then whoever stood behind, then who had one.
function Q.store_ring(id, front, waiting, head, had)
  for _, place in ipairs(front) do
    if place.changed then
      redis.call('LTRIM', place.key, place.count, -1)
      for i = #place.turns, place.head, -1 do
        redis.call('LPUSH', place.key, place.turns[i].slot)
      end
      for _, pile in ipairs(place.had) do
        redis.call('RPUSH', place.key, pile.slot)
      end
    end
  end
  if #front == 1 and front.whole then
    if is_empty(front[1]) then
      redis.call('LPOP', Q.ring_key(id))
    end
    return
  end
  redis.call('LTRIM', Q.ring_key(id), #front, -1)
  for i = #waiting, head, -1 do
    if not is_empty(waiting[i]) then
      redis.call('LPUSH', Q.ring_key(id), waiting[i].workspace)
    end
  end
  for _, place in ipairs(had) do
    if not is_empty(place) then
      redis.call('RPUSH', Q.ring_key(id), place.workspace)
    end
  end
end
