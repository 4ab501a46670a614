-- One lane of one destination: '<lane>:<name>'. Its ready jobs lie in piles, one list ':j:<line>:<slot>' for each
-- campaign; its ring (see `ring.lua`) names the campaigns that have ready jobs, in turn; ':d:<line>' are its delayed jobs
-- by due time. A campaign's number, its slot, is never used twice, so that entries of a dropped campaign are known.

function Q.line_id(lane, name)
  return lane .. ':' .. name
end

function Q.lane_and_name(id)
  return string.sub(id, 1, 1), string.sub(id, 3)
end

function Q.count(budget, what, lane)
  return Q.num(budget, what .. lane)
end

-- `what` is 'ready', 'delayed' or 'leased'; counted for the line and, while it lives, for the campaign.
function Q.move(id, slot, what, by)
  local lane, name = Q.lane_and_name(id)
  local budget = Q.budget(name)
  Q.set(budget, what .. lane, math.max(0, Q.num(budget, what .. lane) + by))
  local campaign = slot and Q.campaign(slot)
  if campaign then
    Q.set(campaign, what, math.max(0, Q.num(campaign, what) + by))
  end
end

function Q.pile_key(id, slot)
  return Q.base .. ':j:' .. id .. ':' .. slot
end

-- What is known of a pile, in the hash ':n:<slot>' of its campaign's lines: a mark (i in the ring, p parked while the
-- campaign is paused, s parked while its stream has no room, - none) and the number of its delayed jobs. `mark` is nil when there is no pile.
function Q.pile(id, slot)
  local key = slot .. '|' .. id
  local pile = Q.piles[key]
  if not pile then
    local text = redis.call('HGET', Q.base .. ':n:' .. slot, id)
    pile = { id = id, slot = slot, delayed = 0 }
    if text then
      pile.mark, pile.delayed = string.sub(text, 1, 1), tonumber(string.sub(text, 2))
    end
    Q.piles[key] = pile
  end
  return pile
end

function Q.pile_or_new(id, slot)
  local pile = Q.pile(id, slot)
  if not pile.mark then
    pile.mark, pile.changed = '-', true
  end
  return pile
end

function Q.mark(pile, mark)
  pile.mark, pile.changed = mark, true
end

function Q.write_pile(pile)
  if not pile.changed then
    return
  end
  local key = Q.base .. ':n:' .. pile.slot
  if pile.mark then
    redis.call('HSET', key, pile.id, pile.mark .. Q.text(pile.delayed))
  else
    redis.call('HDEL', key, pile.id)
  end
end

-- Jobs are 'delivery' at their first attempt, 'delivery:attempt' later: a list keeps a plain number in few bytes.
function Q.push(id, slot, words)
  Q.pile_or_new(id, slot)
  redis.call('RPUSH', Q.pile_key(id, slot), unpack(words))
  Q.move(id, slot, 'ready', #words)
  Q.offer(id, slot)
end

function Q.push_delayed(id, slot, word, due)
  if redis.call('ZADD', Q.base .. ':d:' .. id, due, slot .. '/' .. word) == 0 then
    return
  end
  local pile = Q.pile_or_new(id, slot)
  pile.delayed, pile.changed = pile.delayed + 1, true
  Q.move(id, slot, 'delayed', 1)
end

-- Lets a pile that has ready jobs take its turn, unless it does already or its campaign is paused.
function Q.offer(id, slot)
  local campaign = Q.campaign(slot)
  local pile = campaign and Q.pile(id, slot)
  if not pile or not pile.mark or pile.mark == 'i' or pile.mark == 's'
    or redis.call('EXISTS', Q.pile_key(id, slot)) == 0 then
    return
  end
  if campaign.fields.paused then
    if pile.mark ~= 'p' then
      Q.mark(pile, 'p')
      redis.call('RPUSH', Q.base .. ':p:' .. slot, id)
    end
    return
  end
  Q.mark(pile, 'i')
  Q.ring_push(id, slot)
  Q.list(id)
end

-- Says that a line can perhaps be served.
function Q.list(id)
  local lane, name = Q.lane_and_name(id)
  local budget = Q.budget(name)
  if budget.fields['listed' .. lane] or budget.fields['parked' .. lane]
    or redis.call('EXISTS', Q.base .. ':r:' .. id) == 0 then
    return
  end
  Q.set(budget, 'listed' .. lane, '1')
  redis.call('RPUSH', Q.base .. ':L' .. lane, name)
  Q.newly_listed = Q.newly_listed + 1
end

function Q.unlist_first(lane)
  local name = redis.call('LPOP', Q.base .. ':L' .. lane)
  if name then
    Q.set(Q.budget(name), 'listed' .. lane, nil)
  end
end

-- A limit of the destination has ended or moved: looks at its lanes again.
function Q.list_all(name)
  for lane = 0, Q.LAST_LANE do
    -- Every line with a ring entry has ready jobs, or had them when its campaign was dropped.
    Q.list(Q.line_id(lane, name))
  end
end

-- After a pile lost a job: an empty one is taken away, and so is a campaign with nothing left.
function Q.tidy(id, slot)
  local pile = Q.pile(id, slot)
  if pile.mark and pile.delayed == 0 and redis.call('EXISTS', Q.pile_key(id, slot)) == 0 then
    pile.mark, pile.changed = nil, true
  end
  Q.tidy_campaign(slot)
end
