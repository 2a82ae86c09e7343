// Shows notifications on phones, where a page may not do it itself, and leads back to the page. It keeps and answers nothing else.
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(
    self.clients.matchAll({ type: "window" }).then((pages) => {
      const page = pages.find(({ url }) => url.startsWith(event.notification.data.page));
      return page === undefined ? self.clients.openWindow(event.notification.data.page) : page.focus();
    }),
  );
});
