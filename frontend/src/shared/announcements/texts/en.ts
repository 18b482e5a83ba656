/** Around announcements, which have their own words. */
export const texts = {
  "announcements.all": "Show all announcements ({count})",
  "announcements.dismiss": "Put away",
  "announcements.label": "Announcements",
};
