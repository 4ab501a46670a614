-- Messages charged in the present minute, hour and day of the calendar, UTC: 'n1', 'n60' and 'n1440' of a budget, true
-- for the minute 'n' since 1970.

Q.MINUTE_US = 6e7
Q.WINDOWS = { { 1, 'minute' }, { 60, 'hour' }, { 1440, 'day' } }

function Q.minute()
  return math.floor(Q.now / Q.MINUTE_US)
end

local function same_window(minutes, one, other)
  return math.floor(one / minutes) == math.floor(other / minutes)
end

function Q.used_in(budget, minutes)
  return same_window(minutes, Q.num(budget, 'n'), Q.minute()) and Q.num(budget, 'n' .. minutes) or 0
end

function Q.window_end(minutes)
  local length = minutes * Q.MINUTE_US
  return (math.floor(Q.now / length) + 1) * length
end

-- Of a window's limit, only the transactional lane may use this.
function Q.kept_in_window(lane, limit)
  return lane == Q.TRANSACTIONAL and 0 or math.floor(limit / Q.RESERVED_ONE_IN)
end

function Q.charge_windows(budget, count)
  for _, window in ipairs(Q.WINDOWS) do
    Q.set(budget, 'n' .. window[1], Q.used_in(budget, window[1]) + count)
  end
  Q.set(budget, 'n', Q.minute())
end

-- The windows that hold that minute have seen so many at the least; those that are over since need not know.
function Q.sent(budget, minute, counts)
  for i, window in ipairs(Q.WINDOWS) do
    local used = Q.used_in(budget, window[1])
    local told = same_window(window[1], minute, Q.minute()) and counts[i] or 0
    Q.set(budget, 'n' .. window[1], math.max(used, told))
  end
  Q.set(budget, 'n', Q.minute())
end

-- For messages charged in these minutes: the windows that are over have lost them already.
function Q.give_back_windows(budget, charged)
  local now = Q.minute()
  for _, window in ipairs(Q.WINDOWS) do
    local used = Q.used_in(budget, window[1])
    for _, minute in ipairs(charged) do
      if same_window(window[1], minute, now) then
        used = used - 1
      end
    end
    Q.set(budget, 'n' .. window[1], math.max(0, used))
  end
  Q.set(budget, 'n', now)
end

-- Messages that still fit into all windows; and when there is none, the full window that ends last, and its end.
function Q.window_room(budget, lane)
  local room, full, ends = Q.NO_LIMIT, nil, 0
  for _, window in ipairs(Q.WINDOWS) do
    local limit = Q.limit(budget, window[2])
    if limit > 0 then
      local left = math.max(0, limit - Q.kept_in_window(lane, limit) - Q.used_in(budget, window[1]))
      room = math.min(room, left)
      if left == 0 and Q.window_end(window[1]) > ends then
        full, ends = window[2], Q.window_end(window[1])
      end
    end
  end
  return room, full, ends
end
