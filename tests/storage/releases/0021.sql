INSERT INTO memories (id, organization_id, user_id, text, assistant_id, created_at, updated_at, uses) SELECT 'mem_2', 'org_house', 'user_ada', 'I read poems.', min(id), 3800, 3800, 0 FROM assistants
