INSERT INTO projects (id, organization_id, workspace_id, user_id, visibility, name, instructions, created_at, updated_at) VALUES ('project_1', 'org_house', 'workspace_house', 'user_ada', 'workspace', 'Kitchen', 'Be brief.', 3000, 3000)
UPDATE conversations SET project_id = 'project_1', pinned_at = 3000 WHERE id = 'conv_tea'
UPDATE conversations SET archived_at = 3000 WHERE id = 'conv_own'
