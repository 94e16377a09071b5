-- applies -- the user waits for a decision
update identity.users set email = $2, kyc_status = 'pending', updated_at = current_timestamp where id = $1;

-- apply -- what he says of himself, in place of what he said before
insert into identity.user_profiles as known (
    user_id, full_name, country_code, phone, document_type, document_number, phone_sealed, document_number_sealed, roles
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (user_id) do update set
    full_name = excluded.full_name, country_code = excluded.country_code, phone = excluded.phone,
    document_type = excluded.document_type, document_number = excluded.document_number,
    phone_sealed = excluded.phone_sealed, document_number_sealed = excluded.document_number_sealed,
    roles = excluded.roles, applied_at = clock_timestamp(), verification_date = null, cleared_until = null,
    decided_by = null, decision_reason = null, outbox_id = null;

-- lock -- an application, for a decision
select u.wallet, u.kyc_status, p.roles, p.country_code, p.applied_at
from identity.users u join identity.user_profiles p on p.user_id = u.id
where u.id = $1 for update of u, p;

-- flags -- what the chain says of an account: its roles, and whether it is frozen
select flags from blockchain.participants where chain_id = $1 and account = $2;

-- decide -- what became of it
with decided as (
    update identity.users set kyc_status = $2, updated_at = current_timestamp where id = $1 returning id
)
update identity.user_profiles p
set verification_date = clock_timestamp(), decided_by = $3, decision_reason = $4, cleared_until = $5, outbox_id = $6
from decided where p.user_id = decided.id;

-- profiles -- applications, oldest first ($1 status, $2 user)
select u.id as user_id, u.wallet, u.email, u.kyc_status, p.full_name, p.country_code, p.phone, p.document_type,
    p.document_number, p.roles, p.applied_at, p.verification_date, p.cleared_until, p.decision_reason, p.outbox_id
from identity.user_profiles p join identity.users u on u.id = p.user_id
where ($1::text is null or u.kyc_status = $1) and ($2::uuid is null or u.id = $2)
order by p.applied_at limit $3;

-- everything -- all that is kept of a user
select u.id as user_id, u.wallet_address, u.email, u.role, u.kyc_status, u.created_at, p.full_name, p.country_code,
    p.document_type, p.roles, p.applied_at, p.verification_date, p.cleared_until, p.decision_reason,
    p.phone_sealed, p.document_number_sealed
from identity.users u join identity.user_profiles p on p.user_id = u.id where u.id = $1;

-- erase_profile -- forget what he said
delete from identity.user_profiles where user_id = $1;

-- erase_email -- forget how to reach him
update identity.users set email = null, kyc_status = 'pending', updated_at = current_timestamp where id = $1;

-- expire -- clearances that ended before a time ($1) are no longer those of cleared users
update identity.users u set kyc_status = 'expired', updated_at = current_timestamp
from identity.user_profiles p
where p.user_id = u.id and u.kyc_status = 'approved' and p.cleared_until < $1
returning u.wallet;
