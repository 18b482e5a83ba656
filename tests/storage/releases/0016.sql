INSERT INTO assistants (id, organization_id, workspace_id, user_id, by_key, visibility, in_chat, name, version, picture, created_at, updated_at) VALUES ('ag_1', 'org_house', 'workspace_house', 'user_ada', false, 'workspace', true, 'Cook', 1, 'picture_1', 3350, 3350)
INSERT INTO assistant_versions (assistant_id, number, organization_id, content, created_at) VALUES ('ag_1', 1, 'org_house', '{"model": "tiny", "instructions": "Be brief."}', 3350)
INSERT INTO assistant_aliases (assistant_id, alias, organization_id, version, created_at, updated_at) VALUES ('ag_1', 'stable', 'org_house', 1, 3350, 3350)
INSERT INTO assistant_pictures (assistant_id, organization_id, media_type, content) VALUES ('ag_1', 'org_house', 'image/png', x'7b7d')
