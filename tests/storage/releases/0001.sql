INSERT INTO organizations VALUES ('org_aaaaaaaaaaaaaaaaaaaaaaaa', 'default', 1000);
INSERT INTO users VALUES ('user_first', 'org_aaaaaaaaaaaaaaaaaaaaaaaa', 'admin', 'administrator', 1000, NULL);
INSERT INTO users VALUES ('user_second', 'org_aaaaaaaaaaaaaaaaaaaaaaaa', 'boss', 'administrator', 1001, NULL);
INSERT INTO users VALUES ('user_third', 'org_aaaaaaaaaaaaaaaaaaaaaaaa', 'zoé', 'member', 1002, NULL);
INSERT INTO users VALUES ('user_fourth', 'org_aaaaaaaaaaaaaaaaaaaaaaaa', 'gone', 'member', 1003, 1500);
INSERT INTO sessions VALUES ('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'user_third', 1004, 4000000000);
INSERT INTO login_links VALUES ('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'user_first', 1005, 4000000000, NULL);
INSERT INTO api_keys VALUES ('key_live', 'org_aaaaaaaaaaaaaaaaaaaaaaaa', 'user_third', 'laptop', 'aq-1111111', '4f3fe7533940204f1d553efab36a7135d85935b2197ab17741a5dbefeb27a11b', 1006, NULL, NULL, 1400);
INSERT INTO api_keys VALUES ('key_dead', 'org_aaaaaaaaaaaaaaaaaaaaaaaa', 'user_first', 'old', 'aq-2222222', '0000000000000000000000000000000000000000000000000000000000000000', 1007, 4000000000, 1300, NULL);
