-- lock_asset -- papers of one asset change one after another
select true from assets.assets where id = $1 for update;

-- same -- the paper, where this very file is it
select id from assets.asset_documents
where asset_id = $1 and document_type = $2 and file_name = $3 and ipfs_hash = $4 and replaced_at is null;

-- replace -- the paper of this name is no longer valid
update assets.asset_documents set replaced_at = clock_timestamp()
where asset_id = $1 and document_type = $2 and file_name = $3 and replaced_at is null;

-- attach -- a paper; its time is after that of the one before, which the lock makes wait
insert into assets.asset_documents (
    asset_id, document_type, file_name, ipfs_hash, media_type, size_bytes, total_bytes, profile, uploaded_by, uploaded_at
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp()) returning id;

-- room -- what an asset's papers take, each $4 beside its bytes, and how many other valid ones its folder has
select coalesce(sum(size_bytes + $4::bigint), 0) as taken,
    count(*) filter (where document_type = $2 and file_name <> $3 and replaced_at is null) as others
from assets.asset_documents where asset_id = $1;

-- every -- all papers there ever were, asset by asset, as they came
select id, asset_id, document_type, file_name, ipfs_hash, media_type, size_bytes, total_bytes, profile, uploaded_by,
    uploaded_at, replaced_at, checked_at, fault
from assets.asset_documents order by asset_id, uploaded_at;

-- papers -- of an asset, by path
select id, asset_id, document_type, file_name, ipfs_hash, media_type, size_bytes, total_bytes, profile, uploaded_by,
    uploaded_at, replaced_at, checked_at, fault
from assets.asset_documents where asset_id = $1 and ($2 or replaced_at is null)
order by document_type, file_name, uploaded_at;

-- paper -- one valid paper
select id, asset_id, document_type, file_name, ipfs_hash, media_type, size_bytes, total_bytes, profile, uploaded_by,
    uploaded_at, replaced_at, checked_at, fault
from assets.asset_documents
where asset_id = $1 and document_type = $2 and file_name = $3 and replaced_at is null;

-- checked -- what the last check found
update assets.asset_documents set checked_at = clock_timestamp(), fault = $2 where id = $1;
