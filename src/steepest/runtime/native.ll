; What threads need of the machine: meeting points, and a loop in which workers wait for work.
;
; A team is an array of 64-bit words; those that threads write stand alone on a cache line:
;   0 generation            grows with every program; workers wait for it to change
;   8 idle sleepers         how many workers sleep until it does
;   16 arrived              how many threads have come to the present meeting
;   24 phase                grows with every meeting
;   32 meeting sleepers     how many threads sleep until it does
;   40 function, 41 table, 42 threads      the program to run, its pointers, the size of the team
;   43 patience             how many turns a thread waits before it lets others run
;   48 gone                 how many workers have left for good
;   56 crowded              how many more waits to take the processor for contested
;   57 penalty              how many waits the next loss of the processor costs; 0 at the start
;
; Waiting costs little on an idle machine and gives way on a busy one: a thread spins for about a
; microsecond, then offers the processor to others; when others took it, or after `limit`
; nanoseconds, it sleeps until it is woken. Who takes an offered processor keeps it for milliseconds:
; so the waits after that make no offer. They spin for `linger` nanoseconds, which is longer than
; another thread's part takes to end, unless that thread has lost its own processor; then they sleep.
; Such waits are few after one hiccup, which an idle machine has too, and four times as many each time
; that the next offer is taken as well, up to a thousand; an offer that nobody takes halves them.
;
; A file beside this one brings @pause, @futex, @begin_arithmetic and @end_arithmetic for a machine.

declare i32 @sched_yield()
declare i64 @syscall(i64, ...)
declare i32 @clock_gettime(i32, ptr)
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.umax.i64(i64, i64)

define internal i64 @now() nounwind {
entry:
  %time = alloca [2 x i64], align 8
  %ignored = call i32 @clock_gettime(i32 1, ptr %time)
  %seconds = load i64, ptr %time, align 8
  %rest_at = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %rest_at, align 8
  %whole = mul i64 %seconds, 1000000000
  %all = add i64 %whole, %rest
  ret i64 %all
}

define internal i64 @await(ptr %team, ptr %word, i64 %seen, ptr %sleepers, i64 %limit, i64 %linger) nounwind {
entry:
  %patience_at = getelementptr i64, ptr %team, i64 43
  %patience = load i64, ptr %patience_at, align 8
  %crowded_at = getelementptr i64, ptr %team, i64 56
  %penalty_at = getelementptr i64, ptr %team, i64 57
  br label %spin
spin:
  %turns = phi i64 [ 0, %entry ], [ %more, %pausing ]
  %first = load atomic i64, ptr %word acquire, align 8
  %changed = icmp ne i64 %first, %seen
  br i1 %changed, label %done, label %tired
tired:
  %long = icmp uge i64 %turns, %patience
  br i1 %long, label %ask, label %pausing
pausing:
  call void @pause()
  %more = add i64 %turns, 1
  br label %spin
ask:
  %left = load atomic i64, ptr %crowded_at monotonic, align 8
  %crowded = icmp ugt i64 %left, 0
  br i1 %crowded, label %count, label %offer
count:
  ; threads may count at the same time: it matters little how often
  %fewer = sub i64 %left, 1
  store atomic i64 %fewer, ptr %crowded_at monotonic, align 8
  %lingering = call i64 @now()
  br label %stay
stay:
  call void @pause()
  %late = load atomic i64, ptr %word acquire, align 8
  %changed1 = icmp ne i64 %late, %seen
  br i1 %changed1, label %done, label %clock
clock:
  %present = call i64 @now()
  %stayed = sub i64 %present, %lingering
  %stays = icmp ult i64 %stayed, %linger
  br i1 %stays, label %stay, label %sleep
offer:
  %begun = call i64 @now()
  br label %yield
yield:
  %before = phi i64 [ %begun, %offer ], [ %after, %judge ]
  %ignored = call i32 @sched_yield()
  %second = load atomic i64, ptr %word acquire, align 8
  %changed2 = icmp ne i64 %second, %seen
  br i1 %changed2, label %forgive, label %look
look:
  %after = call i64 @now()
  %taken = sub i64 %after, %before
  %busy = icmp ugt i64 %taken, 200000
  br i1 %busy, label %remember, label %judge
remember:
  %last_penalty = load atomic i64, ptr %penalty_at monotonic, align 8
  %four_times = shl i64 %last_penalty, 2
  %low_enough = call i64 @llvm.umin.i64(i64 %four_times, i64 1000)
  %penalty = call i64 @llvm.umax.i64(i64 %low_enough, i64 8)
  store atomic i64 %penalty, ptr %penalty_at monotonic, align 8
  store atomic i64 %penalty, ptr %crowded_at monotonic, align 8
  br label %sleep
forgive:
  %old_penalty = load atomic i64, ptr %penalty_at monotonic, align 8
  %half = lshr i64 %old_penalty, 1
  store atomic i64 %half, ptr %penalty_at monotonic, align 8
  br label %done
judge:
  %waited = sub i64 %after, %begun
  %enough = icmp ugt i64 %waited, %limit
  br i1 %enough, label %sleep, label %yield
sleep:
  %one_more = atomicrmw add ptr %sleepers, i64 1 seq_cst
  %call = load i64, ptr @futex, align 8
  %low = trunc i64 %seen to i32
  ; futex(word, FUTEX_WAIT_PRIVATE, seen) returns at once if the word's low half has changed
  %ignored2 = call i64 (i64, ...) @syscall(i64 %call, ptr %word, i64 128, i32 %low, ptr null)
  %one_less = atomicrmw sub ptr %sleepers, i64 1 seq_cst
  %third = load atomic i64, ptr %word acquire, align 8
  %changed3 = icmp ne i64 %third, %seen
  br i1 %changed3, label %done, label %sleep
done:
  %found = phi i64 [ %first, %spin ], [ %late, %stay ], [ %second, %forgive ], [ %third, %sleep ]
  ret i64 %found
}

define internal void @announce(ptr %word, ptr %sleepers) nounwind {
entry:
  %old = atomicrmw add ptr %word, i64 1 seq_cst
  %asleep = load atomic i64, ptr %sleepers seq_cst, align 8
  %none = icmp eq i64 %asleep, 0
  br i1 %none, label %done, label %wake
wake:
  %call = load i64, ptr @futex, align 8
  ; futex(word, FUTEX_WAKE_PRIVATE, all)
  %ignored = call i64 (i64, ...) @syscall(i64 %call, ptr %word, i64 129, i32 2147483647)
  br label %done
done:
  ret void
}

define void @steepest_meet(ptr %team, i64 %threads) nounwind {
entry:
  %alone = icmp eq i64 %threads, 1
  br i1 %alone, label %done, label %arrive
arrive:
  %arrived_at = getelementptr i64, ptr %team, i64 16
  %phase_at = getelementptr i64, ptr %team, i64 24
  %sleepers_at = getelementptr i64, ptr %team, i64 32
  %phase = load atomic i64, ptr %phase_at acquire, align 8
  %before = atomicrmw add ptr %arrived_at, i64 1 acq_rel
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %threads
  br i1 %last, label %release, label %wait
release:
  store atomic i64 0, ptr %arrived_at release, align 8
  call void @announce(ptr %phase_at, ptr %sleepers_at)
  br label %done
wait:
  %ignored = call i64 @await(ptr %team, ptr %phase_at, i64 %phase, ptr %sleepers_at, i64 1000000, i64 100000)
  br label %done
done:
  ret void
}

define void @steepest_work(ptr %team, i64 %thread) nounwind {
entry:
  %idle_at = getelementptr i64, ptr %team, i64 8
  %function_at = getelementptr i64, ptr %team, i64 40
  %table_at = getelementptr i64, ptr %team, i64 41
  %threads_at = getelementptr i64, ptr %team, i64 42
  %threads = load i64, ptr %threads_at, align 8
  br label %idle
idle:
  %seen = phi i64 [ 0, %entry ], [ %generation, %do ]
  %generation = call i64 @await(ptr %team, ptr %team, i64 %seen, ptr %idle_at, i64 500000, i64 0)
  %function = load ptr, ptr %function_at, align 8
  %stop = icmp eq ptr %function, null
  br i1 %stop, label %leave, label %do
do:
  %table = load ptr, ptr %table_at, align 8
  %mode = call i64 @begin_arithmetic()
  call void %function(ptr %table, i64 %thread, i64 %threads, ptr %team)
  call void @steepest_meet(ptr %team, i64 %threads)
  br label %idle
leave:
  %gone_at = getelementptr i64, ptr %team, i64 48
  %ignored = atomicrmw add ptr %gone_at, i64 1 seq_cst
  ret void
}

define i64 @steepest_worker(ptr %place) nounwind {
entry:
  ; what a new thread begins with: its team and its number
  %team = load ptr, ptr %place, align 8
  %number_at = getelementptr i64, ptr %place, i64 1
  %number = load i64, ptr %number_at, align 8
  call void @steepest_work(ptr %team, i64 %number)
  ret i64 0
}

define void @steepest_run(ptr %team, ptr %function, ptr %table) nounwind {
entry:
  %mode = call i64 @begin_arithmetic()
  %idle_at = getelementptr i64, ptr %team, i64 8
  %function_at = getelementptr i64, ptr %team, i64 40
  %table_at = getelementptr i64, ptr %team, i64 41
  %threads_at = getelementptr i64, ptr %team, i64 42
  store ptr %function, ptr %function_at, align 8
  store ptr %table, ptr %table_at, align 8
  %threads = load i64, ptr %threads_at, align 8
  call void @announce(ptr %team, ptr %idle_at)
  call void %function(ptr %table, i64 0, i64 %threads, ptr %team)
  call void @steepest_meet(ptr %team, i64 %threads)
  call void @end_arithmetic(i64 %mode)
  ret void
}

define void @steepest_dismiss(ptr %team) nounwind {
entry:
  %idle_at = getelementptr i64, ptr %team, i64 8
  %function_at = getelementptr i64, ptr %team, i64 40
  store ptr null, ptr %function_at, align 8
  call void @announce(ptr %team, ptr %idle_at)
  ret void
}

define void @steepest_alone(ptr %function, ptr %table) nounwind {
entry:
  %mode = call i64 @begin_arithmetic()
  call void %function(ptr %table, i64 0, i64 1, ptr null)
  call void @end_arithmetic(i64 %mode)
  ret void
}
