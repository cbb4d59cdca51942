-- Enforces the limits of one mail server for the whole fleet. Each action is one call and uses Redis' clock
-- (milliseconds).
--
-- KEYS: fleet    hash     epoch, quiet (until), beat (last contact)
--       servers  zset     server names, scored by last use
--       open     zset     connection slots, scored by expiry; renewed while their process is alive
--       settled  zset     the open slots whose login succeeded
--       closing  zset     dropped connections that the server may still count for a moment
--       line     zset     tickets of waiting processes, in order of arrival
--       alive    zset     the same tickets, scored by expiry
--       state    hash     proven, learned, reason, since, cooling, probe_at, probing, pause_*, slow_at, buckets
-- ARGV: action, epoch, server, id, configured connection limit (0: none), then arguments of the action
-- A line of constants is prepended to this script: see timing.py

local fleet, servers, open, settled, closing, line, alive, state = unpack(KEYS)
local action, epoch, server, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local configured = tonumber(ARGV[5])
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function number(field)
  return tonumber(call('HGET', state, field) or nil)
end

local function of_fleet(field)
  return tonumber(call('HGET', fleet, field) or nil) or 0
end

-- Remove expired entries. If slots expired and no process was in contact meanwhile, Redis was unavailable and their
-- connections may still be open: grant nothing until every process had time to renew its slots.
local function tidy()
  local lapsed = call('ZREMRANGEBYSCORE', open, '-inf', now)
  if lapsed > 0 and now - of_fleet('beat') > STALE then
    call('HSET', fleet, 'quiet', now + QUIET)
  end
  call('HSET', fleet, 'beat', now)
  call('ZREMRANGEBYSCORE', settled, '-inf', now)
  call('ZREMRANGEBYSCORE', closing, '-inf', now)
  for _, key in ipairs({open, settled, closing}) do
    -- No expiry is ever set this far ahead: the clock was set back.
    for _, slot in ipairs(call('ZRANGEBYSCORE', key, '(' .. now + TTL, '+inf')) do
      call('ZADD', key, now + TTL, slot)
    end
  end
  for _, ticket in ipairs(call('ZRANGEBYSCORE', alive, '-inf', now)) do
    call('ZREM', line, ticket)
    call('ZREM', alive, ticket)
  end
end

local function count()
  return call('ZCARD', open) + call('ZCARD', closing)
end

-- Return the milliseconds until a time; 0 if it is further ahead than it is ever set: the clock was set back.
local function left(moment, most)
  local ms = (moment or 0) - now
  return (ms > 0 and ms <= most) and ms or 0
end

-- Return the effective limit (math.huge: none), and whether a probe above the learned limit is due.
local function ceiling()
  local learned, limit, probe = number('learned'), nil, false
  if learned then
    local probing = call('HGET', state, 'probing')
    if probing and not call('ZSCORE', open, probing) then
      call('HDEL', state, 'probing')
      probing = false
    end
    probe = not probing and left(number('probe_at'), COOL_MAX) == 0
    limit = (probing or probe) and learned + 1 or learned
  else
    limit = math.max(START, 2 * (number('proven') or 0))
  end
  if configured > 0 and limit > configured then
    return configured, false
  end
  return limit, probe
end

-- Notify the waiting processes that can get a slot now.
local function wake()
  local free = ceiling() - count()
  if free <= 0 or left(of_fleet('quiet'), QUIET) > 0 or left(number('pause_until'), PAUSE_LONGEST) > 0 then
    return
  end
  for _, ticket in ipairs(call('ZRANGE', line, 0, free - 1)) do
    call('PUBLISH', fleet .. ':wake:' .. string.match(ticket, '^(.*)/'), ticket)
  end
end

-- `stated`: the server itself gave the reason, so a higher count proven earlier is void.
local function learn(limit, reason, cooling, stated)
  limit = math.max(1, math.floor(limit))
  local learned = number('learned')
  if not learned or limit < learned then
    call('HSET', state, 'learned', limit, 'since', now, 'reason', reason)
  end
  if stated and (number('proven') or 0) > limit then
    call('HSET', state, 'proven', limit)
  end
  call('HSET', state, 'cooling', cooling, 'probe_at', now + cooling)
  call('HDEL', state, 'probing')
end

-- A login succeeded, which proves the current count. A successful probe raises the learned limit: by one, or twofold
-- up to the proven count (the server may only have been restarting when it refused).
local function settle(slot)
  local proven = math.max(call('ZCARD', open), number('proven') or 0)
  call('HSET', state, 'proven', proven)
  if call('HGET', state, 'probing') == slot then
    local learned = number('learned')
    learned = math.max(learned + 1, math.min(2 * learned, proven))
    call('HSET', state, 'learned', learned, 'since', now, 'cooling', COOL, 'probe_at', now + COOL)
    call('HDEL', state, 'probing')
  end
end

-- Take tokens from a bucket that fills at `rate` per second and holds one second's worth; return the milliseconds to
-- wait.
local function take(bucket, amount, rate)
  if rate <= 0 or amount == 0 then
    return 0
  end
  local at = number(bucket .. '_at') or 0
  local tokens = number(bucket) or rate
  local passed = math.max(0, now - at) / 1000
  tokens = math.min(rate, tokens + passed * rate) - amount
  call('HSET', state, bucket, tostring(tokens), bucket .. '_at', now)
  return tokens < 0 and math.ceil(-tokens * 1000 / rate) or 0
end

local actions = {}

function actions.begin()
  if call('HSETNX', fleet, 'epoch', id) == 1 then
    local quiet = tonumber(ARGV[6])
    call('HSET', fleet, 'quiet', quiet > 0 and now + quiet or 0, 'beat', now)
  end
  return {call('HGET', fleet, 'epoch')}
end

function actions.acquire()
  tidy()
  call('ZADD', servers, now, server)
  call('ZREMRANGEBYSCORE', servers, '-inf', now - FORGET)
  for _, key in ipairs({open, settled, closing, line, alive, state}) do
    call('PEXPIRE', key, FORGET)
  end
  local limit, probe = ceiling()
  local held = count()
  local rank = call('ZRANK', line, id)
  local ahead = rank or call('ZCARD', line)
  local quiet = left(of_fleet('quiet'), QUIET)
  local pause = left(number('pause_until'), PAUSE_LONGEST)
  if call('ZSCORE', open, id) or (quiet == 0 and pause == 0 and ahead < limit - held) then
    call('ZADD', open, now + TTL, id)
    call('ZREM', line, id)
    call('ZREM', alive, id)
    local learned = number('learned')
    if probe and held >= learned then
      call('HSET', state, 'probing', id)
    end
    return {'granted'}
  end
  if not rank then
    call('ZADD', line, call('HINCRBY', fleet, 'tickets', 1), id)
  end
  call('ZADD', alive, now + TICKET, id)
  local why = quiet > 0 and 'quiet' or pause > 0 and 'paused' or 'full'
  local reason = call('HGET', state, pause > 0 and 'pause_reason' or 'reason') or ''
  return {'wait', why, math.max(quiet, pause), limit, ahead, reason}
end

-- Arguments: 1 if the login succeeded, milliseconds for which the server may still count the connection
function actions.release()
  call('ZREM', line, id)
  call('ZREM', alive, id)
  if ARGV[6] == '1' then
    settle(id)
  end
  call('ZREM', settled, id)
  if call('ZREM', open, id) == 1 and tonumber(ARGV[7]) > 0 then
    call('ZADD', closing, now + tonumber(ARGV[7]), id)
  end
  wake()
  return {'done'}
end

function actions.logged_in()
  if call('ZSCORE', open, id) then
    call('ZADD', settled, now + TTL, id)
    settle(id)
    wake()
  end
  return {'done'}
end

-- Arguments: number of slots, the slots, those of them that are settled
function actions.renew()
  local all = tonumber(ARGV[6])
  for i = 7, #ARGV do
    call('ZADD', i < 7 + all and open or settled, now + TTL, ARGV[i])
  end
  call('ZADD', servers, now, server)
  tidy()
  wake()
  return {'done', left(number('pause_until'), PAUSE_LONGEST), call('HGET', state, 'pause_reason') or ''}
end

-- The server refused a connection. Arguments: the reason, 1 if the server reported too many connections.
-- Otherwise, the refusal counts as a limit only if the server accepts others.
function actions.refuse()
  tidy()
  call('ZREM', open, id)
  call('ZREM', closing, id)
  call('ZREM', settled, id)
  local learned, others = number('learned'), count()
  if call('ZCARD', settled) == 0 and (ARGV[7] ~= '1' or others == 0) then
    if ARGV[7] == '1' then
      learn(1, ARGV[6], COOL, true)
    end
    wake()
    return {'unknown'}
  end
  local cooling = number('cooling') or COOL
  if call('HGET', state, 'probing') == id then
    cooling = math.min(2 * cooling, COOL_MAX)
  end
  learn(others, ARGV[6], cooling, ARGV[7] == '1')
  wake()
  return {'learned', number('learned')}
end

-- The server throttles. Arguments: the reason, milliseconds of the pause that it names (0: it names none)
function actions.throttle()
  tidy()
  local named = tonumber(ARGV[7])
  local ended = number('pause_until') or 0
  local pause = left(ended, PAUSE_LONGEST)
  if pause == 0 then
    local step = number('pause_step')
    if not step or now - ended > PAUSE_FORGET then
      step = PAUSE / 2
    end
    step = math.min(2 * step, PAUSE_MAX)
    call('HSET', state, 'pause_step', step)
    pause = named > 0 and named or step
    learn(math.min(number('learned') or math.huge, count()) / 2, ARGV[6], COOL, true)
  else
    pause = math.max(pause, named)
  end
  pause = math.min(pause, PAUSE_LONGEST)
  call('HSET', state, 'pause_until', now + pause, 'pause_reason', ARGV[6])
  return {'done', pause, ARGV[6]}
end

-- The server's latency has risen. Argument: the reason
function actions.slow()
  tidy()
  if left((number('slow_at') or 0) + COOL, COOL) == 0 then
    call('HSET', state, 'slow_at', now)
    learn(math.min(number('learned') or math.huge, count()) * 3 / 4, ARGV[6], COOL, true)
  end
  return {'done'}
end

-- Arguments: commands, their rate, bytes, their rate
function actions.spend()
  local commands = take('commands', tonumber(ARGV[6]), tonumber(ARGV[7]))
  local bytes = take('bytes', tonumber(ARGV[8]), tonumber(ARGV[9]))
  return {'done', math.max(commands, bytes)}
end

-- Read-only: filters expired entries by time instead of removing them
function actions.look()
  local function living(key)
    return call('ZCOUNT', key, '(' .. now, '+inf')
  end
  local learned = number('learned')
  return {
    living(open) + living(closing), living(alive), learned or 0, call('HGET', state, 'reason') or '',
    learned and left(number('probe_at'), COOL_MAX) or 0,
    left(number('pause_until'), PAUSE_LONGEST), call('HGET', state, 'pause_reason') or '',
    left(of_fleet('quiet'), QUIET),
  }
end

if action ~= 'begin' and action ~= 'look' and call('HGET', fleet, 'epoch') ~= epoch then
  return {'lost'}
end
return actions[action]()
