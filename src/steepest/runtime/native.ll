; What threads need of the machine: meeting points, and a loop in which workers wait for work.
;
; A team is an array of 64-bit words, each alone on its cache line where threads write it:
;   0 generation    grows with every program; workers wait for it to change
;   8 asleep        how many workers sleep and must be woken
;   16 arrived      how many threads have come to the meeting
;   24 phase        grows with every meeting
;   32 function, 33 table, 34 threads    the program to run

declare i32 @sched_yield()
declare i64 @syscall(i64, ...)
declare void @llvm.x86.sse2.pause()

define void @steepest_meet(ptr %team, i64 %threads) nounwind {
entry:
  %alone = icmp eq i64 %threads, 1
  br i1 %alone, label %done, label %arrive
arrive:
  %phase_at = getelementptr i64, ptr %team, i64 24
  %arrived_at = getelementptr i64, ptr %team, i64 16
  %phase = load atomic i64, ptr %phase_at acquire, align 8
  %before = atomicrmw add ptr %arrived_at, i64 1 acq_rel
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %threads
  br i1 %last, label %release, label %wait
release:
  store atomic i64 0, ptr %arrived_at release, align 8
  %next = add i64 %phase, 1
  store atomic i64 %next, ptr %phase_at release, align 8
  br label %done
wait:
  %turns = phi i64 [ 0, %arrive ], [ %more, %again ]
  %now = load atomic i64, ptr %phase_at acquire, align 8
  %same = icmp eq i64 %now, %phase
  br i1 %same, label %pause, label %done
pause:
  call void @llvm.x86.sse2.pause()
  %more = add i64 %turns, 1
  %long = icmp ugt i64 %turns, 400
  br i1 %long, label %yield, label %again
yield:
  %ignored = call i32 @sched_yield()
  br label %again
again:
  br label %wait
done:
  ret void
}

define void @steepest_work(ptr %team, i64 %thread) nounwind {
entry:
  br label %idle
idle:
  %seen = phi i64 [ 0, %entry ], [ %generation, %finished ]
  br label %look
look:
  %turns = phi i64 [ 0, %idle ], [ %more, %again ]
  %generation = load atomic i64, ptr %team acquire, align 8
  %new = icmp ne i64 %generation, %seen
  br i1 %new, label %begin, label %pause
pause:
  call void @llvm.x86.sse2.pause()
  %more = add i64 %turns, 1
  %long = icmp ugt i64 %turns, 1000
  br i1 %long, label %tired, label %again
tired:
  %very_long = icmp ugt i64 %turns, 6000
  br i1 %very_long, label %sleep, label %yield
yield:
  %ignored = call i32 @sched_yield()
  br label %again
sleep:
  %asleep_at = getelementptr i64, ptr %team, i64 8
  %more_asleep = atomicrmw add ptr %asleep_at, i64 1 seq_cst
  %low = trunc i64 %seen to i32
  ; futex(generation, FUTEX_WAIT_PRIVATE, seen): returns at once if the generation has changed
  %ignored2 = call i64 (i64, ...) @syscall(i64 202, ptr %team, i64 128, i32 %low, ptr null)
  %less_asleep = atomicrmw sub ptr %asleep_at, i64 1 seq_cst
  br label %again
again:
  br label %look
begin:
  %function_at = getelementptr i64, ptr %team, i64 32
  %table_at = getelementptr i64, ptr %team, i64 33
  %threads_at = getelementptr i64, ptr %team, i64 34
  %function = load ptr, ptr %function_at, align 8
  %table = load ptr, ptr %table_at, align 8
  %threads = load i64, ptr %threads_at, align 8
  %stop = icmp eq ptr %function, null
  br i1 %stop, label %leave, label %check
check:
  %mine = icmp slt i64 %thread, %threads
  br i1 %mine, label %do, label %finished
do:
  call void %function(ptr %table, i64 %thread, i64 %threads, ptr %team)
  call void @steepest_meet(ptr %team, i64 %threads)
  br label %finished
finished:
  br label %idle
leave:
  ret void
}

define void @steepest_run(ptr %team, ptr %function, ptr %table, i64 %threads) nounwind {
entry:
  %function_at = getelementptr i64, ptr %team, i64 32
  %table_at = getelementptr i64, ptr %team, i64 33
  %threads_at = getelementptr i64, ptr %team, i64 34
  store ptr %function, ptr %function_at, align 8
  store ptr %table, ptr %table_at, align 8
  store i64 %threads, ptr %threads_at, align 8
  %alone = icmp eq i64 %threads, 1
  br i1 %alone, label %do, label %wake
wake:
  %old = atomicrmw add ptr %team, i64 1 seq_cst
  %asleep_at = getelementptr i64, ptr %team, i64 8
  %asleep = load atomic i64, ptr %asleep_at seq_cst, align 8
  %none = icmp eq i64 %asleep, 0
  br i1 %none, label %do, label %call
call:
  ; futex(generation, FUTEX_WAKE_PRIVATE, all)
  %ignored = call i64 (i64, ...) @syscall(i64 202, ptr %team, i64 129, i32 2147483647)
  br label %do
do:
  call void %function(ptr %table, i64 0, i64 %threads, ptr %team)
  call void @steepest_meet(ptr %team, i64 %threads)
  ret void
}
