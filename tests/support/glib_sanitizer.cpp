// What the thread sanitizer must know of GLib and GStreamer in tests that link this file; without
// the sanitizer it is empty.
//
// Both libraries come without the sanitizer's instrumentation and synchronise by futexes and
// atomics of their own. The functions here stand in for theirs (the program's symbols come first,
// for the libraries' calls, too), tell the sanitizer what they order, and call the original. Only
// orders are told that there are, so no race is hidden; what the libraries do inside stays unseen.
#ifdef __SANITIZE_THREAD__
#include <dlfcn.h>
#include <gst/gst.h>
#include <pthread.h>
#include <sanitizer/tsan_interface.h>

#define STANDS_IN extern "C" __attribute__((visibility("default")))
#define ORIGINAL(name) \
  static decltype(&name) const original = reinterpret_cast<decltype(&name)>(dlsym(RTLD_NEXT, #name))

namespace {

// A drop of a reference comes after all that was done with it; the last one after all drops.
void drop_reference(void* object, gint count) {
  __tsan_release(object);
  if (count == 1) __tsan_acquire(object);
}

struct Pooled {
  const GFunc function;
  const gpointer data;
};

void run_pooled(gpointer item, gpointer data) {
  const auto& pooled = *static_cast<Pooled*>(data);
  __tsan_acquire(item);
  pooled.function(item, pooled.data);
}

}  // namespace

// Mutexes.

STANDS_IN void g_mutex_clear(GMutex* mutex) {
  ORIGINAL(g_mutex_clear);
  __tsan_mutex_destroy(mutex, 0);
  original(mutex);
}

STANDS_IN void g_mutex_lock(GMutex* mutex) {
  ORIGINAL(g_mutex_lock);
  __tsan_mutex_pre_lock(mutex, 0);
  original(mutex);
  __tsan_mutex_post_lock(mutex, 0, 0);
}

STANDS_IN gboolean g_mutex_trylock(GMutex* mutex) {
  ORIGINAL(g_mutex_trylock);
  __tsan_mutex_pre_lock(mutex, __tsan_mutex_try_lock);
  const gboolean locked = original(mutex);
  __tsan_mutex_post_lock(mutex, locked ? __tsan_mutex_try_lock : __tsan_mutex_try_lock_failed, 0);
  return locked;
}

STANDS_IN void g_mutex_unlock(GMutex* mutex) {
  ORIGINAL(g_mutex_unlock);
  __tsan_mutex_pre_unlock(mutex, 0);
  original(mutex);
  __tsan_mutex_post_unlock(mutex, 0);
}

STANDS_IN void g_cond_wait(GCond* cond, GMutex* mutex) {
  ORIGINAL(g_cond_wait);
  __tsan_mutex_pre_unlock(mutex, 0);
  __tsan_mutex_post_unlock(mutex, 0);
  original(cond, mutex);
  __tsan_mutex_pre_lock(mutex, 0);
  __tsan_mutex_post_lock(mutex, 0, 0);
}

STANDS_IN gboolean g_cond_wait_until(GCond* cond, GMutex* mutex, gint64 end_time) {
  ORIGINAL(g_cond_wait_until);
  __tsan_mutex_pre_unlock(mutex, 0);
  __tsan_mutex_post_unlock(mutex, 0);
  const gboolean signalled = original(cond, mutex, end_time);
  __tsan_mutex_pre_lock(mutex, 0);
  __tsan_mutex_post_lock(mutex, 0, 0);
  return signalled;
}

// Recursive and read-write locks are pthread's in GLib, too, but its calls look like its own
// business to the sanitizer. `first`: makes the lock that a static one has not got yet.
template <typename Lock>
Lock* made_lock(gpointer* place, Lock* (*first)()) {
  if (gpointer made = g_atomic_pointer_get(place)) return static_cast<Lock*>(made);
  Lock* const made = first();
  if (g_atomic_pointer_compare_and_exchange(place, nullptr, made)) return made;
  delete made;
  return static_cast<Lock*>(g_atomic_pointer_get(place));
}

pthread_mutex_t* recursive(GRecMutex* mutex) {
  return made_lock<pthread_mutex_t>(&mutex->p, [] {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    auto* const made = new pthread_mutex_t;
    pthread_mutex_init(made, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return made;
  });
}

pthread_rwlock_t* shared(GRWLock* lock) {
  return made_lock<pthread_rwlock_t>(
      &lock->p, [] { return new pthread_rwlock_t(PTHREAD_RWLOCK_INITIALIZER); });
}

STANDS_IN void g_rec_mutex_init(GRecMutex* mutex) {
  mutex->p = nullptr;
  recursive(mutex);
}
STANDS_IN void g_rec_mutex_clear(GRecMutex* mutex) {
  pthread_mutex_destroy(recursive(mutex));
  delete recursive(mutex);
}
STANDS_IN void g_rec_mutex_lock(GRecMutex* mutex) { pthread_mutex_lock(recursive(mutex)); }
STANDS_IN gboolean g_rec_mutex_trylock(GRecMutex* mutex) {
  return pthread_mutex_trylock(recursive(mutex)) == 0;
}
STANDS_IN void g_rec_mutex_unlock(GRecMutex* mutex) { pthread_mutex_unlock(recursive(mutex)); }

STANDS_IN void g_rw_lock_init(GRWLock* lock) {
  lock->p = nullptr;
  shared(lock);
}
STANDS_IN void g_rw_lock_clear(GRWLock* lock) {
  pthread_rwlock_destroy(shared(lock));
  delete shared(lock);
}
STANDS_IN void g_rw_lock_reader_lock(GRWLock* lock) { pthread_rwlock_rdlock(shared(lock)); }
STANDS_IN void g_rw_lock_reader_unlock(GRWLock* lock) { pthread_rwlock_unlock(shared(lock)); }
STANDS_IN void g_rw_lock_writer_lock(GRWLock* lock) { pthread_rwlock_wrlock(shared(lock)); }
STANDS_IN void g_rw_lock_writer_unlock(GRWLock* lock) { pthread_rwlock_unlock(shared(lock)); }

// Queues, by which a GstHarness hands buffers and events to the test.

STANDS_IN void g_async_queue_push(GAsyncQueue* queue, gpointer data) {
  ORIGINAL(g_async_queue_push);
  __tsan_release(data);
  original(queue, data);
}

STANDS_IN gpointer g_async_queue_try_pop(GAsyncQueue* queue) {
  ORIGINAL(g_async_queue_try_pop);
  gpointer data = original(queue);
  if (data) __tsan_acquire(data);
  return data;
}

STANDS_IN gpointer g_async_queue_timeout_pop(GAsyncQueue* queue, guint64 timeout) {
  ORIGINAL(g_async_queue_timeout_pop);
  gpointer data = original(queue, timeout);
  if (data) __tsan_acquire(data);
  return data;
}

// Pools, on whose threads pads run their tasks.

STANDS_IN GThreadPool* g_thread_pool_new(GFunc function, gpointer data, gint threads,
                                         gboolean exclusive, GError** error) {
  ORIGINAL(g_thread_pool_new);
  // Lives as long as the process.
  return original(run_pooled, new Pooled{function, data}, threads, exclusive, error);
}

STANDS_IN gboolean g_thread_pool_push(GThreadPool* pool, gpointer item, GError** error) {
  ORIGINAL(g_thread_pool_push);
  __tsan_release(item);
  return original(pool, item, error);
}

// References.

STANDS_IN void g_object_unref(gpointer object) {
  ORIGINAL(g_object_unref);
  drop_reference(object, g_atomic_int_get(&G_OBJECT(object)->ref_count));
  original(object);
}

STANDS_IN void gst_mini_object_unref(GstMiniObject* object) {
  ORIGINAL(gst_mini_object_unref);
  drop_reference(object, g_atomic_int_get(&object->refcount));
  original(object);
}
#endif
