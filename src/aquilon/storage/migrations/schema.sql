-- The tables of a new home on SQLite. Written by scripts/schema out of the migrations: don't change it here.

CREATE TABLE access_rules (
	organization_id VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	roles JSON,
	workspace_ids JSON,
	changed_at BIGINT NOT NULL,
	CONSTRAINT ck_access_rules_kind CHECK (kind IN ('model', 'feature')),
	CONSTRAINT fk_access_rules_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_access_rules PRIMARY KEY (organization_id, kind, name)
);

CREATE TABLE account_deletions (
	user_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	requested_at BIGINT NOT NULL,
	CONSTRAINT fk_account_deletions_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_account_deletions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_account_deletions PRIMARY KEY (user_id)
);

CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE announcements (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	text VARCHAR NOT NULL,
	level VARCHAR NOT NULL,
	dismissible BOOLEAN NOT NULL,
	starts_at BIGINT NOT NULL,
	ends_at BIGINT,
	created_at BIGINT NOT NULL,
	CONSTRAINT ck_announcements_level CHECK (level IN ('info', 'warning')),
	CONSTRAINT fk_announcements_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_announcements PRIMARY KEY (id)
);

CREATE INDEX ix_announcements_organization_id ON announcements (organization_id, starts_at);

CREATE TABLE api_key_secrets (
	secret_sha256 VARCHAR NOT NULL,
	api_key_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	CONSTRAINT fk_api_key_secrets_api_key_id FOREIGN KEY(api_key_id) REFERENCES api_keys (id) ON DELETE CASCADE,
	CONSTRAINT fk_api_key_secrets_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_api_key_secrets PRIMARY KEY (secret_sha256)
);

CREATE INDEX ix_api_key_secrets_api_key_id ON api_key_secrets (api_key_id);

CREATE INDEX ix_api_key_secrets_organization_id ON api_key_secrets (organization_id);

CREATE TABLE "api_keys" (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	prefix VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	revoked_at BIGINT,
	last_used_at BIGINT,
	workspace_id VARCHAR NOT NULL,
	scopes JSON NOT NULL,
	allowed_models JSON,
	allowed_addresses JSON,
	blocked_at BIGINT,
	CONSTRAINT fk_api_keys_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_api_keys_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_api_keys_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
	CONSTRAINT pk_api_keys PRIMARY KEY (id)
);

CREATE INDEX ix_api_keys_organization_id ON api_keys (organization_id);

CREATE INDEX ix_api_keys_user_id ON api_keys (user_id);

CREATE INDEX ix_api_keys_workspace_id ON api_keys (workspace_id);

CREATE TABLE api_processes (
	id VARCHAR NOT NULL,
	beats BIGINT NOT NULL,
	CONSTRAINT pk_api_processes PRIMARY KEY (id)
);

CREATE TABLE assistant_aliases (
	assistant_id VARCHAR NOT NULL,
	alias VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT fk_assistant_aliases_assistant_id FOREIGN KEY(assistant_id) REFERENCES assistants (id) ON DELETE CASCADE,
	CONSTRAINT pk_assistant_aliases PRIMARY KEY (assistant_id, alias)
);

CREATE TABLE assistant_pictures (
	assistant_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	media_type VARCHAR NOT NULL,
	content BLOB NOT NULL,
	CONSTRAINT fk_assistant_pictures_assistant_id FOREIGN KEY(assistant_id) REFERENCES assistants (id) ON DELETE CASCADE,
	CONSTRAINT pk_assistant_pictures PRIMARY KEY (assistant_id)
);

CREATE TABLE assistant_versions (
	assistant_id VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	organization_id VARCHAR NOT NULL,
	content VARCHAR NOT NULL,
	message VARCHAR,
	created_at BIGINT NOT NULL,
	CONSTRAINT fk_assistant_versions_assistant_id FOREIGN KEY(assistant_id) REFERENCES assistants (id) ON DELETE CASCADE,
	CONSTRAINT pk_assistant_versions PRIMARY KEY (assistant_id, number)
);

CREATE TABLE assistants (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	by_key BOOLEAN NOT NULL,
	visibility VARCHAR NOT NULL,
	in_chat BOOLEAN NOT NULL,
	name VARCHAR NOT NULL,
	version BIGINT NOT NULL,
	picture VARCHAR,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT ck_assistants_visibility CHECK (visibility IN ('workspace', 'user')),
	CONSTRAINT fk_assistants_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_assistants PRIMARY KEY (id)
);

CREATE INDEX ix_assistants_organization_id ON assistants (organization_id, id);

CREATE TABLE audit_log (
	id INTEGER NOT NULL,
	organization_id VARCHAR NOT NULL,
	at BIGINT NOT NULL,
	actor_kind VARCHAR NOT NULL,
	actor_id VARCHAR,
	actor_name VARCHAR NOT NULL,
	action VARCHAR NOT NULL,
	object_id VARCHAR NOT NULL,
	object_name VARCHAR NOT NULL,
	detail JSON NOT NULL,
	CONSTRAINT pk_audit_log PRIMARY KEY (id)
);

CREATE INDEX ix_audit_log_organization_id ON audit_log (organization_id, id);

CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log WHEN NOT (NEW.id IS OLD.id AND NEW.organization_id IS OLD.organization_id AND NEW.at IS OLD.at AND NEW.actor_kind IS OLD.actor_kind AND NEW.actor_id IS OLD.actor_id AND NEW.action IS OLD.action AND NEW.object_id IS OLD.object_id AND NEW.actor_name IN (OLD.actor_name, 'deleted person') AND NEW.object_name IN (OLD.object_name, 'deleted person') AND 'deleted person' IN (NEW.actor_name, NEW.object_name)) BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TABLE batch_lines (
	batch_id VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	organization_id VARCHAR NOT NULL,
	failed BOOLEAN NOT NULL,
	result VARCHAR NOT NULL,
	CONSTRAINT fk_batch_lines_batch_id FOREIGN KEY(batch_id) REFERENCES batches (id) ON DELETE CASCADE,
	CONSTRAINT pk_batch_lines PRIMARY KEY (batch_id, number)
);

CREATE INDEX ix_batch_lines_organization_id ON batch_lines (organization_id);

CREATE TABLE batches (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	api_key_id VARCHAR,
	endpoint VARCHAR NOT NULL,
	model VARCHAR,
	input_file_ids JSON NOT NULL,
	needs_custom_id BOOLEAN NOT NULL,
	metadata JSON,
	completion_window VARCHAR NOT NULL,
	status VARCHAR NOT NULL,
	outcome VARCHAR,
	problem VARCHAR,
	output_seconds BIGINT,
	output_file_id VARCHAR,
	error_file_id VARCHAR,
	total BIGINT NOT NULL,
	succeeded BIGINT NOT NULL,
	failed BIGINT NOT NULL,
	prompt_tokens BIGINT NOT NULL,
	cached_tokens BIGINT NOT NULL,
	completion_tokens BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	in_progress_at BIGINT,
	finalizing_at BIGINT,
	cancelling_at BIGINT,
	ended_at BIGINT,
	lease_owner VARCHAR,
	lease_until BIGINT NOT NULL,
	CONSTRAINT ck_batches_status CHECK (status IN ('validating', 'in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', 'cancelled')),
	CONSTRAINT fk_batches_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_batches PRIMARY KEY (id)
);

CREATE INDEX ix_batches_ended_at ON batches (ended_at);

CREATE INDEX ix_batches_organization_id ON batches (organization_id, id);

CREATE INDEX ix_batches_status ON batches (status, created_at);

CREATE TABLE budget_spending (
	budget_id VARCHAR NOT NULL,
	starts_at BIGINT NOT NULL,
	organization_id VARCHAR NOT NULL,
	spent BIGINT NOT NULL,
	CONSTRAINT pk_budget_spending PRIMARY KEY (budget_id, starts_at)
);

CREATE INDEX ix_budget_spending_organization_id ON budget_spending (organization_id);

CREATE TABLE budgets (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	scope VARCHAR NOT NULL,
	scope_id VARCHAR NOT NULL,
	period VARCHAR NOT NULL,
	amount BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT ck_budgets_amount CHECK (amount >= 0),
	CONSTRAINT ck_budgets_period CHECK (period IN ('day', 'week', 'month', 'once')),
	CONSTRAINT ck_budgets_scope CHECK (scope IN ('organization', 'workspace', 'key')),
	CONSTRAINT fk_budgets_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_budgets PRIMARY KEY (id),
	CONSTRAINT uq_budgets_scope_scope_id_period UNIQUE (scope, scope_id, period)
);

CREATE INDEX ix_budgets_organization_id ON budgets (organization_id);

CREATE TABLE chat_settings (
	organization_id VARCHAR NOT NULL,
	default_model VARCHAR,
	instructions VARCHAR NOT NULL,
	preference_pairs BOOLEAN NOT NULL,
	changed_at BIGINT NOT NULL,
	CONSTRAINT fk_chat_settings_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_chat_settings PRIMARY KEY (organization_id)
);

CREATE TABLE comparison_votes (
	comparison_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	choice VARCHAR NOT NULL,
	blind BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	changed_at BIGINT NOT NULL,
	CONSTRAINT ck_comparison_votes_choice CHECK (choice IN ('left', 'right', 'tie', 'both_bad')),
	CONSTRAINT fk_comparison_votes_comparison_id FOREIGN KEY(comparison_id) REFERENCES comparisons (id) ON DELETE CASCADE,
	CONSTRAINT fk_comparison_votes_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_comparison_votes PRIMARY KEY (comparison_id, user_id)
);

CREATE INDEX ix_comparison_votes_organization_id ON comparison_votes (organization_id);

CREATE INDEX ix_comparison_votes_user_id ON comparison_votes (user_id);

CREATE TABLE comparisons (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	visibility VARCHAR NOT NULL,
	blind BOOLEAN NOT NULL,
	answered BOOLEAN NOT NULL,
	left_model VARCHAR NOT NULL,
	right_model VARCHAR NOT NULL,
	left_side VARCHAR NOT NULL,
	right_side VARCHAR NOT NULL,
	prompt VARCHAR,
	created_at BIGINT NOT NULL,
	CONSTRAINT ck_comparisons_visibility CHECK (visibility IN ('workspace', 'user')),
	CONSTRAINT fk_comparisons_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_comparisons_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_comparisons PRIMARY KEY (id)
);

CREATE INDEX ix_comparisons_organization_id ON comparisons (organization_id, workspace_id, created_at);

CREATE INDEX ix_comparisons_user_id ON comparisons (user_id);

CREATE TABLE conversation_branches (
	conversation_id VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	organization_id VARCHAR NOT NULL,
	parent BIGINT,
	forked_at BIGINT NOT NULL,
	CONSTRAINT fk_conversation_branches_conversation_id FOREIGN KEY(conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
	CONSTRAINT pk_conversation_branches PRIMARY KEY (conversation_id, number)
);

CREATE TABLE conversation_items (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	conversation_id VARCHAR NOT NULL,
	branch BIGINT NOT NULL,
	depth BIGINT NOT NULL,
	parent_id VARCHAR,
	run_id VARCHAR,
	output BOOLEAN NOT NULL,
	status VARCHAR NOT NULL,
	content VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT fk_conversation_items_conversation_id FOREIGN KEY(conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
	CONSTRAINT pk_conversation_items PRIMARY KEY (id),
	CONSTRAINT uq_conversation_items_conversation_id_branch_depth UNIQUE (conversation_id, branch, depth)
);

CREATE INDEX ix_conversation_items_run_id ON conversation_items (run_id, depth);

CREATE TABLE conversation_policies (
	organization_id VARCHAR NOT NULL,
	days BIGINT NOT NULL,
	changed_at BIGINT NOT NULL,
	CONSTRAINT fk_conversation_policies_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_conversation_policies PRIMARY KEY (organization_id)
);

CREATE VIRTUAL TABLE conversation_search USING fts5(organization_id, words, content='searched_words', content_rowid='id', tokenize="ascii tokenchars '_'", prefix='2 3');

CREATE TABLE conversations (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	visibility VARCHAR NOT NULL,
	implicit BOOLEAN NOT NULL,
	title VARCHAR,
	labels VARCHAR NOT NULL,
	settings VARCHAR NOT NULL,
	edition BIGINT NOT NULL,
	head_id VARCHAR,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	retention_days BIGINT,
	expires_at BIGINT, pinned_at BIGINT, archived_at BIGINT, project_id VARCHAR CONSTRAINT fk_conversations_project_id REFERENCES projects (id) ON DELETE SET NULL, named_by_person BOOLEAN,
	CONSTRAINT ck_conversations_visibility CHECK (visibility IN ('workspace', 'user')),
	CONSTRAINT fk_conversations_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_conversations PRIMARY KEY (id)
);

CREATE INDEX ix_conversations_expires_at ON conversations (expires_at);

CREATE INDEX ix_conversations_organization_id ON conversations (organization_id, workspace_id, updated_at);

CREATE INDEX ix_conversations_pinned_at ON conversations (organization_id, pinned_at) WHERE pinned_at IS NOT NULL;

CREATE INDEX ix_conversations_project_id ON conversations (project_id, updated_at) WHERE project_id IS NOT NULL;

CREATE INDEX ix_conversations_user_id ON conversations (user_id, updated_at);

CREATE TABLE deleted_passage_words (
	id INTEGER NOT NULL,
	organization_id VARCHAR NOT NULL,
	library_id VARCHAR NOT NULL,
	words VARCHAR NOT NULL,
	CONSTRAINT pk_deleted_passage_words PRIMARY KEY (id)
);

CREATE TABLE deleted_words (
	id INTEGER NOT NULL,
	organization_id VARCHAR NOT NULL,
	words VARCHAR NOT NULL,
	CONSTRAINT pk_deleted_words PRIMARY KEY (id)
);

CREATE TABLE feedback (
	run_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	rating VARCHAR NOT NULL,
	reason VARCHAR,
	comment VARCHAR,
	consent BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT ck_feedback_rating CHECK (rating IN ('up', 'down')),
	CONSTRAINT fk_feedback_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_feedback_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE,
	CONSTRAINT fk_feedback_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_feedback PRIMARY KEY (run_id, user_id)
);

CREATE INDEX ix_feedback_organization_id ON feedback (organization_id, consent);

CREATE INDEX ix_feedback_user_id ON feedback (user_id);

CREATE TABLE files (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	purpose VARCHAR NOT NULL,
	visibility VARCHAR NOT NULL,
	source VARCHAR NOT NULL,
	bytes BIGINT NOT NULL,
	lines BIGINT,
	sha256 VARCHAR NOT NULL,
	mimetype VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	CONSTRAINT ck_files_source CHECK (source IN ('upload', 'result')),
	CONSTRAINT ck_files_visibility CHECK (visibility IN ('workspace', 'user')),
	CONSTRAINT fk_files_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_files PRIMARY KEY (id)
);

CREATE INDEX ix_files_expires_at ON files (expires_at);

CREATE INDEX ix_files_organization_id ON files (organization_id, id);

CREATE TABLE fine_tuned_models (
	name VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	base VARCHAR NOT NULL,
	job_id VARCHAR NOT NULL,
	folder VARCHAR NOT NULL,
	size_bytes BIGINT NOT NULL,
	trained_on JSON NOT NULL,
	title VARCHAR,
	description VARCHAR,
	archived BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT fk_fine_tuned_models_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_fine_tuned_models PRIMARY KEY (name)
);

CREATE INDEX ix_fine_tuned_models_organization_id ON fine_tuned_models (organization_id);

CREATE TABLE fine_tuning_events (
	job_id VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	organization_id VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	level VARCHAR NOT NULL,
	message VARCHAR NOT NULL,
	step BIGINT,
	data JSON NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT ck_fine_tuning_events_kind CHECK (kind IN ('message', 'metrics', 'checkpoint')),
	CONSTRAINT ck_fine_tuning_events_level CHECK (level IN ('info', 'warn', 'error')),
	CONSTRAINT fk_fine_tuning_events_job_id FOREIGN KEY(job_id) REFERENCES fine_tuning_jobs (id) ON DELETE CASCADE,
	CONSTRAINT pk_fine_tuning_events PRIMARY KEY (job_id, number)
);

CREATE INDEX ix_fine_tuning_events_organization_id ON fine_tuning_events (organization_id);

CREATE TABLE fine_tuning_jobs (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	api_key_id VARCHAR,
	contract VARCHAR NOT NULL,
	base VARCHAR NOT NULL,
	method VARCHAR NOT NULL,
	suffix VARCHAR,
	seed BIGINT NOT NULL,
	training_file_ids JSON NOT NULL,
	validation_file_ids JSON NOT NULL,
	hyperparameters JSON NOT NULL,
	metadata JSON,
	auto_start BOOLEAN NOT NULL,
	status VARCHAR NOT NULL,
	problem_code VARCHAR,
	problem VARCHAR,
	problem_field VARCHAR,
	examples BIGINT,
	tokens BIGINT,
	estimated_tokens BIGINT,
	estimated_cost BIGINT,
	step BIGINT NOT NULL,
	steps BIGINT,
	trained_tokens BIGINT NOT NULL,
	cost BIGINT,
	starts BIGINT NOT NULL,
	read_bytes BIGINT NOT NULL,
	fine_tuned_model VARCHAR,
	result_file_id VARCHAR,
	created_at BIGINT NOT NULL,
	modified_at BIGINT NOT NULL,
	started_at BIGINT,
	ended_at BIGINT,
	lease_owner VARCHAR,
	lease_until BIGINT NOT NULL,
	CONSTRAINT ck_fine_tuning_jobs_contract CHECK (contract IN ('openai', 'mistral')),
	CONSTRAINT ck_fine_tuning_jobs_method CHECK (method IN ('supervised', 'dpo')),
	CONSTRAINT ck_fine_tuning_jobs_status CHECK (status IN ('validating_files', 'validated', 'queued', 'running', 'pausing', 'paused', 'cancelling', 'succeeded', 'failed', 'cancelled')),
	CONSTRAINT fk_fine_tuning_jobs_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_fine_tuning_jobs PRIMARY KEY (id)
);

CREATE INDEX ix_fine_tuning_jobs_ended_at ON fine_tuning_jobs (ended_at);

CREATE INDEX ix_fine_tuning_jobs_organization_id ON fine_tuning_jobs (organization_id, id);

CREATE INDEX ix_fine_tuning_jobs_status ON fine_tuning_jobs (status, created_at);

CREATE TABLE holds (
	process_id VARCHAR NOT NULL,
	line_id VARCHAR NOT NULL,
	starts_at BIGINT NOT NULL,
	organization_id VARCHAR NOT NULL,
	amount BIGINT NOT NULL,
	CONSTRAINT fk_holds_process_id FOREIGN KEY(process_id) REFERENCES api_processes (id) ON DELETE CASCADE,
	CONSTRAINT pk_holds PRIMARY KEY (process_id, line_id, starts_at)
);

CREATE INDEX ix_holds_organization_id ON holds (organization_id);

CREATE TABLE idempotency_keys (
	organization_id VARCHAR NOT NULL,
	owner VARCHAR NOT NULL,
	"key" VARCHAR NOT NULL,
	fingerprint VARCHAR NOT NULL,
	holder VARCHAR,
	lease_until BIGINT NOT NULL,
	answer BLOB,
	size BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	CONSTRAINT fk_idempotency_keys_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_idempotency_keys PRIMARY KEY (organization_id, owner, "key")
);

CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at);

CREATE TABLE identities (
	provider_id VARCHAR NOT NULL,
	subject VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	email VARCHAR,
	created_at BIGINT NOT NULL,
	CONSTRAINT fk_identities_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_identities_provider_id FOREIGN KEY(provider_id) REFERENCES identity_providers (id) ON DELETE CASCADE,
	CONSTRAINT fk_identities_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_identities PRIMARY KEY (provider_id, subject),
	CONSTRAINT uq_identities_provider_id_user_id UNIQUE (provider_id, user_id)
);

CREATE INDEX ix_identities_organization_id ON identities (organization_id);

CREATE INDEX ix_identities_user_id ON identities (user_id);

CREATE TABLE identity_providers (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	label VARCHAR NOT NULL,
	issuer VARCHAR NOT NULL,
	client_id VARCHAR NOT NULL,
	sealed_secret VARCHAR,
	scopes JSON NOT NULL,
	email_domains JSON NOT NULL,
	newcomer_role VARCHAR,
	links_by_email BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	disabled_at BIGINT,
	CONSTRAINT ck_identity_providers_newcomer_role CHECK (newcomer_role IS NULL OR newcomer_role IN ('owner', 'administrator', 'developer', 'member', 'billing')),
	CONSTRAINT fk_identity_providers_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_identity_providers PRIMARY KEY (id),
	CONSTRAINT uq_identity_providers_name UNIQUE (name)
);

CREATE INDEX ix_identity_providers_organization_id ON identity_providers (organization_id);

CREATE TABLE invitations (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	token_sha256 VARCHAR NOT NULL,
	role VARCHAR NOT NULL,
	workspace_ids JSON NOT NULL,
	note VARCHAR NOT NULL,
	created_by VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	uses BIGINT NOT NULL,
	used BIGINT NOT NULL,
	revoked_at BIGINT,
	CONSTRAINT ck_invitations_role CHECK (role IN ('owner', 'administrator', 'developer', 'member', 'billing')),
	CONSTRAINT fk_invitations_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_invitations PRIMARY KEY (id),
	CONSTRAINT uq_invitations_token_sha256 UNIQUE (token_sha256)
);

CREATE INDEX ix_invitations_organization_id ON invitations (organization_id);

CREATE TABLE libraries (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	visibility VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	description VARCHAR,
	labels VARCHAR NOT NULL,
	chunk_size BIGINT,
	embedding_model VARCHAR,
	edition BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	last_active_at BIGINT NOT NULL,
	expires_days BIGINT,
	expires_at BIGINT,
	CONSTRAINT ck_libraries_visibility CHECK (visibility IN ('workspace', 'user')),
	CONSTRAINT fk_libraries_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_libraries PRIMARY KEY (id)
);

CREATE INDEX ix_libraries_expires_at ON libraries (expires_at);

CREATE INDEX ix_libraries_organization_id ON libraries (organization_id, created_at, id);

CREATE TABLE library_batches (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	library_id VARCHAR NOT NULL,
	cancelled BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT fk_library_batches_library_id FOREIGN KEY(library_id) REFERENCES libraries (id) ON DELETE CASCADE,
	CONSTRAINT pk_library_batches PRIMARY KEY (id)
);

CREATE INDEX ix_library_batches_library_id ON library_batches (library_id);

CREATE TABLE library_documents (
	library_id VARCHAR NOT NULL,
	file_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	api_key_id VARCHAR,
	name VARCHAR NOT NULL,
	uploaded BOOLEAN NOT NULL,
	attributes VARCHAR NOT NULL,
	chunk_characters BIGINT,
	overlap_characters BIGINT,
	batch_id VARCHAR,
	status VARCHAR NOT NULL,
	error_code VARCHAR,
	error VARCHAR,
	pages BIGINT,
	characters BIGINT NOT NULL,
	bytes BIGINT NOT NULL,
	passages BIGINT NOT NULL,
	embedded BIGINT NOT NULL,
	tokens BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	completed_at BIGINT,
	lease_owner VARCHAR,
	lease_until BIGINT NOT NULL, notes VARCHAR DEFAULT '[]' NOT NULL, percent_read BIGINT DEFAULT '0' NOT NULL,
	CONSTRAINT ck_library_documents_status CHECK (status IN ('in_progress', 'completed', 'cancelled', 'failed')),
	CONSTRAINT fk_library_documents_file_id FOREIGN KEY(file_id) REFERENCES files (id) ON DELETE CASCADE,
	CONSTRAINT fk_library_documents_library_id FOREIGN KEY(library_id) REFERENCES libraries (id) ON DELETE CASCADE,
	CONSTRAINT pk_library_documents PRIMARY KEY (library_id, file_id)
);

CREATE INDEX ix_library_documents_batch_id ON library_documents (batch_id);

CREATE INDEX ix_library_documents_file_id ON library_documents (file_id);

CREATE INDEX ix_library_documents_library_id ON library_documents (library_id, created_at, file_id);

CREATE INDEX ix_library_documents_status ON library_documents (status, created_at);

CREATE TABLE library_passages (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	organization_id VARCHAR NOT NULL,
	library_id VARCHAR NOT NULL,
	file_id VARCHAR NOT NULL,
	number BIGINT NOT NULL,
	"begin" BIGINT NOT NULL,
	"end" BIGINT NOT NULL,
	page BIGINT,
	heading VARCHAR,
	head VARCHAR,
	text VARCHAR NOT NULL,
	words VARCHAR NOT NULL,
	vector BLOB,
	CONSTRAINT fk_library_passages_library_id FOREIGN KEY(library_id, file_id) REFERENCES library_documents (library_id, file_id) ON DELETE CASCADE,
	CONSTRAINT uq_library_passages_library_id_file_id_number UNIQUE (library_id, file_id, number)
);

CREATE TRIGGER library_passages_deleted AFTER DELETE ON library_passages BEGIN INSERT INTO deleted_passage_words (id, organization_id, library_id, words) VALUES (old.id, old.organization_id, old.library_id, old.words); END;

CREATE TABLE limits (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	scope VARCHAR NOT NULL,
	scope_id VARCHAR NOT NULL,
	model VARCHAR NOT NULL,
	requests_per_minute BIGINT,
	tokens_per_minute BIGINT,
	parallel_requests BIGINT,
	created_at BIGINT NOT NULL,
	CONSTRAINT ck_limits_scope CHECK (scope IN ('organization', 'workspace', 'key')),
	CONSTRAINT fk_limits_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_limits PRIMARY KEY (id),
	CONSTRAINT uq_limits_scope_scope_id_model UNIQUE (scope, scope_id, model)
);

CREATE INDEX ix_limits_organization_id ON limits (organization_id);

CREATE TABLE login_links (
	token_sha256 VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at BIGINT,
	CONSTRAINT fk_login_links_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_login_links PRIMARY KEY (token_sha256)
);

CREATE INDEX ix_login_links_user_id ON login_links (user_id);

CREATE TABLE "memories" (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	text VARCHAR NOT NULL,
	project_id VARCHAR,
	conversation_id VARCHAR,
	item_id VARCHAR,
	embedding_model VARCHAR,
	vector BLOB,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	expires_at BIGINT,
	last_used_at BIGINT,
	uses BIGINT NOT NULL,
	assistant_id VARCHAR,
	CONSTRAINT fk_memories_assistant_id FOREIGN KEY(assistant_id) REFERENCES assistants (id) ON DELETE CASCADE,
	CONSTRAINT fk_memories_conversation_id FOREIGN KEY(conversation_id) REFERENCES conversations (id) ON DELETE SET NULL,
	CONSTRAINT fk_memories_item_id FOREIGN KEY(item_id) REFERENCES conversation_items (id) ON DELETE SET NULL,
	CONSTRAINT fk_memories_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_memories_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE,
	CONSTRAINT fk_memories_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_memories PRIMARY KEY (id)
);

CREATE INDEX ix_memories_assistant_id ON memories (assistant_id) WHERE assistant_id IS NOT NULL;

CREATE INDEX ix_memories_conversation_id ON memories (conversation_id) WHERE conversation_id IS NOT NULL;

CREATE INDEX ix_memories_expires_at ON memories (expires_at) WHERE expires_at IS NOT NULL;

CREATE INDEX ix_memories_item_id ON memories (item_id) WHERE item_id IS NOT NULL;

CREATE INDEX ix_memories_organization_id ON memories (organization_id, user_id, id);

CREATE INDEX ix_memories_project_id ON memories (project_id) WHERE project_id IS NOT NULL;

CREATE INDEX ix_memories_user_id ON memories (user_id);

CREATE TABLE memory_proposals (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	text VARCHAR NOT NULL,
	project_id VARCHAR,
	conversation_id VARCHAR NOT NULL,
	item_id VARCHAR NOT NULL,
	embedding_model VARCHAR,
	vector BLOB,
	created_at BIGINT NOT NULL,
	CONSTRAINT fk_memory_proposals_conversation_id FOREIGN KEY(conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
	CONSTRAINT fk_memory_proposals_item_id FOREIGN KEY(item_id) REFERENCES conversation_items (id) ON DELETE CASCADE,
	CONSTRAINT fk_memory_proposals_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_memory_proposals_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE,
	CONSTRAINT fk_memory_proposals_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_memory_proposals PRIMARY KEY (id)
);

CREATE INDEX ix_memory_proposals_conversation_id ON memory_proposals (conversation_id);

CREATE INDEX ix_memory_proposals_created_at ON memory_proposals (created_at);

CREATE INDEX ix_memory_proposals_item_id ON memory_proposals (item_id);

CREATE INDEX ix_memory_proposals_organization_id ON memory_proposals (organization_id, user_id, id);

CREATE INDEX ix_memory_proposals_project_id ON memory_proposals (project_id) WHERE project_id IS NOT NULL;

CREATE INDEX ix_memory_proposals_user_id ON memory_proposals (user_id);

CREATE TABLE memory_settings (
	user_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	enabled BOOLEAN NOT NULL,
	proposes BOOLEAN NOT NULL,
	key_ids JSON NOT NULL,
	keys_allowed_at BIGINT NOT NULL,
	changed_at BIGINT NOT NULL,
	CONSTRAINT fk_memory_settings_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_memory_settings_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_memory_settings PRIMARY KEY (user_id)
);

CREATE INDEX ix_memory_settings_organization_id ON memory_settings (organization_id);

CREATE TABLE memory_uses (
	run_id VARCHAR NOT NULL,
	memory_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	CONSTRAINT fk_memory_uses_memory_id FOREIGN KEY(memory_id) REFERENCES memories (id) ON DELETE CASCADE,
	CONSTRAINT fk_memory_uses_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE,
	CONSTRAINT fk_memory_uses_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_memory_uses PRIMARY KEY (run_id, memory_id)
);

CREATE INDEX ix_memory_uses_memory_id ON memory_uses (memory_id);

CREATE INDEX ix_memory_uses_user_id ON memory_uses (user_id);

CREATE TABLE model_aliases (
	name VARCHAR NOT NULL,
	target VARCHAR NOT NULL,
	former VARCHAR,
	share_target VARCHAR,
	share_percent BIGINT NOT NULL,
	switch_target VARCHAR,
	switch_at BIGINT,
	changed_at BIGINT NOT NULL,
	CONSTRAINT ck_model_aliases_share_percent CHECK (share_percent >= 0 AND share_percent < 100),
	CONSTRAINT pk_model_aliases PRIMARY KEY (name)
);

CREATE TABLE model_notes (
	model VARCHAR NOT NULL,
	access VARCHAR,
	description VARCHAR,
	license VARCHAR,
	default_temperature FLOAT,
	deprecated_at BIGINT,
	retires_at BIGINT,
	replacement VARCHAR,
	changed_at BIGINT NOT NULL, languages JSON,
	CONSTRAINT ck_model_notes_access CHECK (access IN ('open', 'commercial')),
	CONSTRAINT pk_model_notes PRIMARY KEY (model)
);

CREATE TABLE open_charges (
	request_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	process_id VARCHAR NOT NULL,
	event VARCHAR NOT NULL,
	CONSTRAINT fk_open_charges_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_open_charges PRIMARY KEY (request_id)
);

CREATE INDEX ix_open_charges_organization_id ON open_charges (organization_id);

CREATE TABLE open_waiting_lists (
	organization_id VARCHAR NOT NULL,
	opened_at BIGINT NOT NULL,
	CONSTRAINT fk_open_waiting_lists_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_open_waiting_lists PRIMARY KEY (organization_id)
);

CREATE TABLE "organizations" (
	id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	operates BOOLEAN NOT NULL,
	password_sign_in BOOLEAN NOT NULL,
	disabled_at BIGINT, vat_number VARCHAR, vat_basis_points BIGINT,
	CONSTRAINT pk_organizations PRIMARY KEY (id),
	CONSTRAINT uq_organizations_name UNIQUE (name)
);

CREATE VIRTUAL TABLE passage_search USING fts5(library_id, words, content='library_passages', content_rowid='id', tokenize="ascii tokenchars '_'");

CREATE TABLE passwords (
	user_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	hash VARCHAR NOT NULL,
	set_at BIGINT NOT NULL,
	CONSTRAINT fk_passwords_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_passwords_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_passwords PRIMARY KEY (user_id)
);

CREATE INDEX ix_passwords_organization_id ON passwords (organization_id);

CREATE TABLE person_quotas (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	period VARCHAR NOT NULL,
	messages BIGINT,
	tokens BIGINT,
	cost BIGINT,
	created_at BIGINT NOT NULL,
	CONSTRAINT ck_person_quotas_period CHECK (period IN ('day', 'month')),
	CONSTRAINT fk_person_quotas_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_person_quotas PRIMARY KEY (id),
	CONSTRAINT uq_person_quotas_organization_id_workspace_id_user_id_period UNIQUE (organization_id, workspace_id, user_id, period)
);

CREATE TABLE "prices" (
	id VARCHAR NOT NULL,
	model VARCHAR NOT NULL,
	starts_at BIGINT NOT NULL,
	input BIGINT NOT NULL,
	cached_input BIGINT NOT NULL,
	output BIGINT NOT NULL,
	batch_discount BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	training BIGINT NOT NULL,
	CONSTRAINT pk_prices PRIMARY KEY (id),
	CONSTRAINT uq_prices_model_starts_at UNIQUE (model, starts_at)
);

CREATE TABLE projects (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	visibility VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	instructions VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL, library_ids JSON DEFAULT '[]' NOT NULL,
	CONSTRAINT ck_projects_visibility CHECK (visibility IN ('workspace', 'user')),
	CONSTRAINT fk_projects_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_projects PRIMARY KEY (id)
);

CREATE INDEX ix_projects_organization_id ON projects (organization_id, id);

CREATE TABLE prompts (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	visibility VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	messages VARCHAR NOT NULL,
	settings VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	CONSTRAINT ck_prompts_visibility CHECK (visibility IN ('workspace', 'user')),
	CONSTRAINT fk_prompts_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_prompts_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_prompts PRIMARY KEY (id)
);

CREATE INDEX ix_prompts_organization_id ON prompts (organization_id, id);

CREATE INDEX ix_prompts_user_id ON prompts (user_id);

CREATE TABLE run_events (
	run_id VARCHAR NOT NULL,
	first BIGINT NOT NULL,
	organization_id VARCHAR NOT NULL,
	events BLOB NOT NULL,
	CONSTRAINT fk_run_events_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE,
	CONSTRAINT pk_run_events PRIMARY KEY (run_id, first)
);

CREATE TABLE runs (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	conversation_id VARCHAR NOT NULL,
	process_id VARCHAR,
	dialect VARCHAR NOT NULL,
	model VARCHAR NOT NULL,
	body VARCHAR NOT NULL,
	labels VARCHAR NOT NULL,
	background BOOLEAN NOT NULL,
	status VARCHAR NOT NULL,
	reason VARCHAR,
	error VARCHAR,
	leaf_id VARCHAR,
	prompt_tokens BIGINT NOT NULL,
	cached_tokens BIGINT NOT NULL,
	completion_tokens BIGINT NOT NULL,
	reasoning_tokens BIGINT NOT NULL,
	unbilled VARCHAR,
	cancelling BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	ended_at BIGINT, asked_by VARCHAR, request_id VARCHAR,
	CONSTRAINT ck_runs_status CHECK (status IN ('queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled')),
	CONSTRAINT fk_runs_conversation_id FOREIGN KEY(conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
	CONSTRAINT pk_runs PRIMARY KEY (id)
);

CREATE INDEX ix_runs_asked_by ON runs (asked_by, id) WHERE asked_by IS NOT NULL;

CREATE INDEX ix_runs_conversation_id ON runs (conversation_id);

CREATE INDEX ix_runs_ended_at ON runs (ended_at);

CREATE INDEX ix_runs_organization_id ON runs (organization_id, dialect, id);

CREATE UNIQUE INDEX ix_runs_request_id ON runs (conversation_id, request_id) WHERE request_id IS NOT NULL;

CREATE INDEX ix_runs_status ON runs (status);

CREATE TABLE searched_words (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	organization_id VARCHAR NOT NULL,
	conversation_id VARCHAR NOT NULL,
	item_id VARCHAR,
	words VARCHAR NOT NULL,
	CONSTRAINT fk_searched_words_conversation_id FOREIGN KEY(conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
	CONSTRAINT fk_searched_words_item_id FOREIGN KEY(item_id) REFERENCES conversation_items (id) ON DELETE CASCADE
);

CREATE INDEX ix_searched_words_conversation_id ON searched_words (conversation_id);

CREATE INDEX ix_searched_words_item_id ON searched_words (item_id);

CREATE TRIGGER searched_words_deleted AFTER DELETE ON searched_words BEGIN INSERT INTO deleted_words (id, organization_id, words) VALUES (old.id, old.organization_id, old.words); END;

CREATE TABLE "sessions" (
	id_sha256 VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	id VARCHAR NOT NULL,
	workspace_id VARCHAR,
	method VARCHAR NOT NULL,
	user_agent VARCHAR NOT NULL,
	address VARCHAR NOT NULL,
	last_used_at BIGINT NOT NULL,
	CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_sessions_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE SET NULL,
	CONSTRAINT pk_sessions PRIMARY KEY (id_sha256),
	CONSTRAINT uq_sessions_id UNIQUE (id)
);

CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);

CREATE INDEX ix_sessions_user_id ON sessions (user_id);

CREATE TABLE shares (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	conversation_id VARCHAR NOT NULL,
	token_hash VARCHAR NOT NULL,
	title VARCHAR,
	shared_by VARCHAR,
	messages BIGINT NOT NULL,
	snapshot BLOB NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	CONSTRAINT fk_shares_conversation_id FOREIGN KEY(conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
	CONSTRAINT fk_shares_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_shares_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT pk_shares PRIMARY KEY (id),
	CONSTRAINT uq_shares_token_hash UNIQUE (token_hash)
);

CREATE INDEX ix_shares_conversation_id ON shares (conversation_id);

CREATE INDEX ix_shares_expires_at ON shares (expires_at);

CREATE INDEX ix_shares_organization_id ON shares (organization_id, user_id, created_at, id);

CREATE INDEX ix_shares_user_id ON shares (user_id);

CREATE TABLE upstream_fallbacks (
	model VARCHAR NOT NULL,
	models JSON NOT NULL,
	CONSTRAINT pk_upstream_fallbacks PRIMARY KEY (model)
);

CREATE TABLE upstream_models (
	upstream_id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	remote VARCHAR NOT NULL,
	max_context BIGINT NOT NULL,
	capabilities JSON NOT NULL,
	weight BIGINT NOT NULL,
	CONSTRAINT ck_upstream_models_weight CHECK (weight >= 0),
	CONSTRAINT fk_upstream_models_upstream_id FOREIGN KEY(upstream_id) REFERENCES upstreams (id) ON DELETE CASCADE,
	CONSTRAINT pk_upstream_models PRIMARY KEY (upstream_id, name)
);

CREATE TABLE "upstreams" (
	id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	base_url VARCHAR NOT NULL,
	sealed_key VARCHAR,
	sealed_headers VARCHAR,
	api_version VARCHAR,
	private BOOLEAN NOT NULL,
	connect_seconds FLOAT NOT NULL,
	first_token_seconds FLOAT NOT NULL,
	between_seconds FLOAT NOT NULL,
	total_seconds FLOAT NOT NULL,
	enabled BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT ck_upstreams_kind CHECK (kind IN ('openai', 'azure', 'azure_ai', 'mistral', 'aquilon', 'anthropic')),
	CONSTRAINT pk_upstreams PRIMARY KEY (id),
	CONSTRAINT uq_upstreams_name UNIQUE (name)
);

CREATE TABLE upstreams_version (
	id BIGINT NOT NULL,
	version VARCHAR NOT NULL,
	CONSTRAINT pk_upstreams_version PRIMARY KEY (id)
);

CREATE TABLE "usage_events" (
	request_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	api_key_id VARCHAR,
	model VARCHAR NOT NULL,
	ended_at BIGINT NOT NULL,
	prompt_tokens BIGINT NOT NULL,
	cached_tokens BIGINT NOT NULL,
	completion_tokens BIGINT NOT NULL,
	outcome VARCHAR NOT NULL,
	latency_ms BIGINT NOT NULL,
	first_token_ms BIGINT,
	cost BIGINT NOT NULL,
	price_id VARCHAR,
	batch BOOLEAN NOT NULL, error_code VARCHAR,
	CONSTRAINT pk_usage_events PRIMARY KEY (request_id)
);

CREATE INDEX ix_usage_events_ended_at ON usage_events (ended_at);

CREATE INDEX ix_usage_events_organization_id ON usage_events (organization_id, ended_at);

CREATE INDEX ix_usage_events_user_id ON usage_events (organization_id, user_id, ended_at);

CREATE TABLE "usage_totals" (
	span VARCHAR NOT NULL,
	starts_at BIGINT NOT NULL,
	organization_id VARCHAR NOT NULL,
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	api_key_id VARCHAR NOT NULL,
	model VARCHAR NOT NULL,
	requests BIGINT NOT NULL,
	prompt_tokens BIGINT NOT NULL,
	cached_tokens BIGINT NOT NULL,
	completion_tokens BIGINT NOT NULL,
	cost BIGINT NOT NULL,
	batch_requests BIGINT NOT NULL,
	CONSTRAINT ck_usage_totals_span CHECK (span IN ('hour', 'day')),
	CONSTRAINT pk_usage_totals PRIMARY KEY (span, starts_at, organization_id, workspace_id, user_id, api_key_id, model)
);

CREATE INDEX ix_usage_totals_organization_id ON usage_totals (organization_id, span, starts_at);

CREATE TABLE "users" (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	role VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	disabled_at BIGINT,
	email VARCHAR,
	email_vouched BOOLEAN NOT NULL,
	CONSTRAINT ck_users_role CHECK (role IN ('owner', 'administrator', 'developer', 'member', 'billing')),
	CONSTRAINT fk_users_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_users PRIMARY KEY (id),
	CONSTRAINT uq_users_organization_id_email UNIQUE (organization_id, email),
	CONSTRAINT uq_users_organization_id_name UNIQUE (organization_id, name)
);

CREATE INDEX ix_users_email ON users (email);

CREATE TABLE waiting_list (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	email VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	status VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	decided_at BIGINT,
	invitation_id VARCHAR,
	CONSTRAINT ck_waiting_list_status CHECK (status IN ('waiting', 'admitted', 'refused')),
	CONSTRAINT fk_waiting_list_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_waiting_list PRIMARY KEY (id),
	CONSTRAINT uq_waiting_list_organization_id_email UNIQUE (organization_id, email)
);

CREATE INDEX ix_waiting_list_decided_at ON waiting_list (decided_at);

CREATE INDEX ix_waiting_list_organization_id ON waiting_list (organization_id, status, created_at);

CREATE TABLE workspace_members (
	workspace_id VARCHAR NOT NULL,
	user_id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	role VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	CONSTRAINT ck_workspace_members_role CHECK (role IN ('owner', 'administrator', 'developer', 'member', 'billing')),
	CONSTRAINT fk_workspace_members_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT fk_workspace_members_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_workspace_members_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
	CONSTRAINT pk_workspace_members PRIMARY KEY (workspace_id, user_id)
);

CREATE INDEX ix_workspace_members_organization_id ON workspace_members (organization_id);

CREATE INDEX ix_workspace_members_user_id ON workspace_members (user_id);

CREATE TABLE workspaces (
	id VARCHAR NOT NULL,
	organization_id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	created_at BIGINT NOT NULL,
	archived_at BIGINT,
	CONSTRAINT fk_workspaces_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
	CONSTRAINT pk_workspaces PRIMARY KEY (id),
	CONSTRAINT uq_workspaces_organization_id_name UNIQUE (organization_id, name)
);
