drop table if exists identity.user_profiles;
drop index if exists identity.idx_users_wallet;
drop index if exists identity.idx_users_email;
