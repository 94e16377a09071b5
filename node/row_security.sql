-- act_as -- for this transaction alone ($1 role of the database, $2 account in hex, $3 user, $4 role of the user, $5 Unix seconds)
select set_config('role', $1, true), set_config('gridtrace.account', $2, true), set_config('gridtrace.user', $3, true),
    set_config('gridtrace.role', $4, true), set_config('gridtrace.published_until', $5, true);

-- as_owner -- the login's own role again, which sees every row
select set_config('role', 'none', true);

-- as_application -- the role that sees the caller's rows ($1)
select set_config('role', $1, true);
