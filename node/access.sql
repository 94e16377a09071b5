-- lock_user -- keys of one user are made one after another
select id from identity.users where id = $1 for update;

-- count_keys -- keys that work
select count(*) from identity.api_keys where user_id = $1 and revoked_at is null and expires_at > $2;

-- make_key -- a key, of which only the hash is kept
insert into identity.api_keys (user_id, name, key_hash, scopes, created_at, expires_at) values ($1, $2, $3, $4, $5, $6)
returning id, name, scopes, created_at, expires_at, last_used_at;

-- keys -- that work, the newest first
select id, name, scopes, created_at, expires_at, last_used_at from identity.api_keys
where user_id = $1 and revoked_at is null and expires_at > $2 order by created_at desc;

-- end_key -- from now on it is unknown
update identity.api_keys set revoked_at = $3 where user_id = $1 and id = $2 and revoked_at is null returning id;

-- holder -- who a key acts for; its use is noted once a minute at most
with used as (
    update identity.api_keys set last_used_at = $2
    where key_hash = $1 and revoked_at is null and expires_at > $2
      and (last_used_at is null or last_used_at < $2 - interval '1 minute')
)
select k.user_id, u.wallet, u.role, k.scopes
from identity.api_keys k join identity.users u on u.id = k.user_id
where k.key_hash = $1 and k.revoked_at is null and k.expires_at > $2;

-- sessions -- open ones, the newest first
select id, user_agent, created_at, expires_at, coalesce(token_hash = $3, false) as is_this from identity.sessions
where user_id = $1 and revoked_at is null and expires_at > $2 order by created_at desc;

-- end_session -- one of the user's own
update identity.sessions set revoked_at = $3 where user_id = $1 and id = $2 and revoked_at is null returning id;

-- lock_role -- a user's role, for a change
select role from identity.users where id = $1 for update;

-- set_role -- another role
update identity.users set role = $2, updated_at = current_timestamp where id = $1;
