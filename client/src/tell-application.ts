/** A fault in the application's callback is the application's: it is reported as uncaught, and we go on. */
export function tellApplication(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
