-- issue_nonce -- a fresh sign-in nonce, bound to the browser that asked
insert into identity.sign_in_nonces (nonce, browser_key_hash, expires_at) values ($1, $2, $3);

-- forget_expired_nonces -- unused nonces do not pile up
delete from identity.sign_in_nonces where expires_at < $1;

-- consume_nonce -- gone with the first attempt, so that of many parallel attempts one sees it
delete from identity.sign_in_nonces where nonce = $1 returning browser_key_hash, expires_at;

-- ensure_user -- the wallet's user, made at its first sign-in; operators are admins by configuration
insert into identity.users as known (wallet, wallet_address, role) values ($1, $2, $3)
on conflict (wallet) do update
    set role = case when excluded.role = 'admin' then 'admin' else known.role end, updated_at = current_timestamp
returning id, role;

-- add_session -- a signed-in session; only the token's hash is kept
insert into identity.sessions (user_id, token_hash, user_agent, created_at, expires_at) values ($1, $2, $3, $4, $5);

-- caller -- who holds a live session
select u.id, u.wallet, u.role
from identity.sessions s join identity.users u on u.id = s.user_id
where s.token_hash = $1 and s.revoked_at is null and s.expires_at > $2;

-- revoke -- ends one session
update identity.sessions set revoked_at = $2 where token_hash = $1 and revoked_at is null;
