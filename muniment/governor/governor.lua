-- What one mail server allows the whole fleet. Every action is one call, by Redis' own clock (milliseconds).
--
-- KEYS: fleet    hash     epoch, quiet (until), beat (last contact)
--       servers  zset     name of each server, by its last use
--       open     zset     permits, by the time they run out; renewed while their process lives
--       settled  zset     those of them whose login was answered
--       closing  zset     connections that were dropped and may count at the server for a moment
--       line     zset     tickets of those who wait, in the order they came
--       alive    zset     the same, by the time they run out
--       state    hash     proven, learned, reason, since, cooling, probe_at, probing, pause_*, slow_at, buckets
-- ARGV: action, epoch, server, id, configured limit of connections (0: none), more for each action
-- A line of constants stands before this text: see timing.py

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

-- Drop what has run out. When permits ran out and nobody was heard of meanwhile, Redis was away and their connections
-- may live: nothing is granted until everybody had the time to renew.
local function tidy()
  local lapsed = call('ZREMRANGEBYSCORE', open, '-inf', now)
  if lapsed > 0 and now - of_fleet('beat') > STALE then
    call('HSET', fleet, 'quiet', now + QUIET)
  end
  call('HSET', fleet, 'beat', now)
  call('ZREMRANGEBYSCORE', settled, '-inf', now)
  call('ZREMRANGEBYSCORE', closing, '-inf', now)
  for _, key in ipairs({open, settled, closing}) do
    -- Times further ahead than any that was set: the clock went back.
    for _, one in ipairs(call('ZRANGEBYSCORE', key, '(' .. now + TTL, '+inf')) do
      call('ZADD', key, now + TTL, one)
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

-- Milliseconds until a time; none when it is further ahead than it can have been set: the clock went back.
local function left(moment, most)
  local ms = (moment or 0) - now
  return (ms > 0 and ms <= most) and ms or 0
end

-- The limit in force (math.huge: none), and whether one more than was learned may be tried.
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

-- Tell those whose turn it is.
local function wake()
  local free = ceiling() - count()
  if free <= 0 or left(of_fleet('quiet'), QUIET) > 0 or left(number('pause_until'), PAUSE_LONGEST) > 0 then
    return
  end
  for _, ticket in ipairs(call('ZRANGE', line, 0, free - 1)) do
    call('PUBLISH', fleet .. ':wake:' .. string.match(ticket, '^(.*)/'), ticket)
  end
end

-- `said`: the server's own words are the reason, so what it bore before counts no more.
local function learn(limit, reason, cooling, said)
  limit = math.max(1, math.floor(limit))
  local learned = number('learned')
  if not learned or limit < learned then
    call('HSET', state, 'learned', limit, 'since', now, 'reason', reason)
  end
  if said and (number('proven') or 0) > limit then
    call('HSET', state, 'proven', limit)
  end
  call('HSET', state, 'cooling', cooling, 'probe_at', now + cooling)
  call('HDEL', state, 'probing')
end

-- The server let one in: so many at once are proven, and a probe that succeeded raises what was learned: by one, or
-- twofold up to what the server has borne before (it may only have been restarting when it refused).
local function settle(permit)
  local proven = math.max(call('ZCARD', open), number('proven') or 0)
  call('HSET', state, 'proven', proven)
  if call('HGET', state, 'probing') == permit then
    local learned = number('learned')
    learned = math.max(learned + 1, math.min(2 * learned, proven))
    call('HSET', state, 'learned', learned, 'since', now, 'cooling', COOL, 'probe_at', now + COOL)
    call('HDEL', state, 'probing')
  end
end

-- Take a share out of a bucket that fills at `rate` per second up to one second's worth; the milliseconds to wait.
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

-- More: 1 when the login was answered, milliseconds that it may count at the server still
function actions.leave()
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

function actions.welcome()
  if call('ZSCORE', open, id) then
    call('ZADD', settled, now + TTL, id)
    settle(id)
    wake()
  end
  return {'done'}
end

-- More: how many permits, the permits, those of them that are settled
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

-- A connection was not let in. More: the reason, 1 when the server spoke of too many connections.
-- Without such words it is a limit only if the server lives for others.
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

-- The server asks for less, or is too slow. More: the reason, milliseconds of pause that it names (0: it names none)
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

function actions.slow()
  tidy()
  if left((number('slow_at') or 0) + COOL, COOL) == 0 then
    call('HSET', state, 'slow_at', now)
    learn(math.min(number('learned') or math.huge, count()) * 3 / 4, ARGV[6], COOL, true)
  end
  return {'done'}
end

-- More: commands, their rate, bytes, their rate
function actions.spend()
  local commands = take('commands', tonumber(ARGV[6]), tonumber(ARGV[7]))
  local bytes = take('bytes', tonumber(ARGV[8]), tonumber(ARGV[9]))
  return {'done', math.max(commands, bytes)}
end

-- Changes nothing, so what has run out is counted by time
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
