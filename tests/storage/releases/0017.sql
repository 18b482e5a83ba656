INSERT INTO memory_settings (user_id, organization_id, enabled, proposes, key_ids, keys_allowed_at, changed_at) VALUES ('user_ada', 'org_house', true, true, '[]', 0, 3360)
INSERT INTO memories (id, organization_id, user_id, text, project_id, conversation_id, item_id, created_at, updated_at, last_used_at, uses) VALUES ('mem_1', 'org_house', 'user_ada', 'I drink tea.', 'project_1', 'conv_tea', 'msg_1', 3360, 3360, 3361, 1)
INSERT INTO memory_proposals (id, organization_id, user_id, text, conversation_id, item_id, created_at) VALUES ('memprop_1', 'org_house', 'user_ada', 'I like Sencha.', 'conv_tea', 'msg_1', 3362)
INSERT INTO memory_uses (run_id, memory_id, organization_id, user_id) VALUES ('resp_1', 'mem_1', 'org_house', 'user_ada')
