-- Campaigns: ':c' maps ids to slots; ':k:<slot>' counts and the pause; ':n:<slot>' its lines; ':p:<slot>' the lines
-- whose pile was met while it is paused. What pausing, resuming or dropping leaves to do lies in ':chores'.

-- Lines that one call takes care of for a resumed or dropped campaign.
Q.CHORE_LINES = 64
-- Delayed jobs of dropped campaigns that one look takes from the front of a line.
Q.SIFT = 100

function Q.slot(id)
  local slot = Q.slots[id] or redis.call('HGET', Q.base .. ':c', id)
  if not slot then
    Q.add(Q.meta, 'slots', 1)
    slot = Q.text(Q.num(Q.meta, 'slots'))
    redis.call('HSET', Q.base .. ':c', id, slot)
    Q.set(Q.hash(':k:' .. slot), 'id', id)
  end
  Q.slots[id] = slot
  return slot
end

-- As Q.slot, and notes whose campaign it is.
function Q.slot_of(id, workspace, stream)
  local slot = Q.slot(id)
  local campaign = Q.campaign(slot)
  if campaign.fields.ws ~= workspace then
    Q.set(campaign, 'ws', workspace)
  end
  stream = stream ~= '' and stream or nil
  if campaign.fields.st ~= stream then
    Q.set(campaign, 'st', stream)
  end
  return slot
end

-- Nil when it was dropped.
function Q.campaign(slot)
  local campaign = Q.hash(':k:' .. slot)
  return campaign.fields.id and campaign or nil
end

function Q.pause(id)
  Q.set(Q.campaign(Q.slot(id)), 'paused', '1')
end

function Q.resume(id)
  local slot = redis.call('HGET', Q.base .. ':c', id)
  if not slot then
    return
  end
  Q.set(Q.campaign(slot), 'paused', nil)
  if redis.call('EXISTS', Q.base .. ':p:' .. slot) == 1 then
    Q.add(Q.meta, 'chores', 1)
    local offer = ':o:' .. Q.text(Q.num(Q.meta, 'chores'))
    redis.call('RENAME', Q.base .. ':p:' .. slot, Q.base .. offer)
    redis.call('RPUSH', Q.base .. ':chores', 'offer ' .. slot .. ' ' .. offer)
  end
  Q.tidy_campaign(slot)
  Q.do_chores()
end

function Q.drop(id)
  local slot = redis.call('HGET', Q.base .. ':c', id)
  if not slot then
    return
  end
  Q.forget_campaign(slot)
  if redis.call('EXISTS', Q.base .. ':n:' .. slot) == 1 then
    redis.call('RPUSH', Q.base .. ':chores', 'purge ' .. slot .. ' :n:' .. slot)
  end
  Q.do_chores()
end

function Q.forget_campaign(slot)
  local campaign = Q.hash(':k:' .. slot)
  redis.call('HDEL', Q.base .. ':c', campaign.fields.id)
  redis.call('UNLINK', Q.base .. ':p:' .. slot)
  Q.slots[campaign.fields.id] = nil
  Q.erase(campaign)
end

function Q.tidy_campaign(slot)
  local campaign = Q.campaign(slot)
  if campaign and not campaign.fields.paused
    and Q.num(campaign, 'ready') + Q.num(campaign, 'delayed') + Q.num(campaign, 'leased') == 0 then
    Q.forget_campaign(slot)
  end
end

-- Does a bounded part of what is left to do. True when more is left.
function Q.do_chores()
  local steps = Q.CHORE_LINES
  while steps > 0 do
    local chore = redis.call('LINDEX', Q.base .. ':chores', 0)
    if not chore then
      return false
    end
    local what, slot, key = string.match(chore, '^(%a+) (%d+) (.*)$')
    local done = what == 'offer' and Q.offer_parked(slot, key, steps) or what == 'purge' and Q.purge_some(slot, key, steps)
    steps = steps - done
    if redis.call('EXISTS', Q.base .. key) == 0 then
      redis.call('LPOP', Q.base .. ':chores')
      steps = steps - 1
    end
  end
  return redis.call('EXISTS', Q.base .. ':chores') == 1
end

-- If the campaign was paused again meanwhile, this parks the piles again.
function Q.offer_parked(slot, key, count)
  local ids = redis.call('LPOP', Q.base .. key, count) or {}
  for _, id in ipairs(ids) do
    if Q.campaign(slot) then
      local pile = Q.pile(id, slot)
      if pile.mark == 'p' then
        Q.mark(pile, '-')
      end
      Q.offer(id, slot)
    end
  end
  return #ids
end

function Q.purge_some(slot, key, count)
  local ids = redis.call('HRANDFIELD', Q.base .. key, count)
  for _, id in ipairs(ids) do
    local pile = Q.pile(id, slot)
    local list = Q.pile_key(id, slot)
    Q.move(id, nil, 'ready', -redis.call('LLEN', list))
    Q.move(id, nil, 'delayed', -pile.delayed)
    redis.call('UNLINK', list)
    redis.call('HDEL', Q.base .. key, id)
    pile.mark, pile.changed = nil, nil
    Q.sift_delayed(id)
  end
  return #ids
end

-- Takes dropped campaigns' jobs from the front of a line's delayed ones; behind it they go when they are met.
function Q.sift_delayed(id)
  local lane, name = Q.lane_and_name(id)
  local key = Q.base .. ':d:' .. id
  if Q.count(Q.budget(name), 'delayed', lane) == 0 then
    redis.call('UNLINK', key)
    return
  end
  while true do
    local members = redis.call('ZRANGE', key, 0, Q.SIFT - 1)
    local dead = 0
    while members[dead + 1] and not Q.campaign(string.match(members[dead + 1], '^%d+')) do
      dead = dead + 1
    end
    if dead > 0 then
      redis.call('ZREMRANGEBYRANK', key, 0, dead - 1)
    end
    if dead < Q.SIFT then
      return
    end
  end
end
