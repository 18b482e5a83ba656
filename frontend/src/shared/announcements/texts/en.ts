/** Around announcements, which have their own words. */
export const texts = {
  "announcements.dismiss": "Put away",
  "announcements.label": "Announcements",
};
