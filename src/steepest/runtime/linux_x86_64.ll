; What waiting and arithmetic take on x86-64 Linux.

@futex = internal constant i64 202

declare void @llvm.x86.sse2.pause()
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)

define internal void @pause() alwaysinline nounwind {
  call void @llvm.x86.sse2.pause()
  ret void
}

; Rounding and tiny numbers as every new thread has them, so that all threads compute alike.
define internal i64 @begin_arithmetic() nounwind {
  %old = alloca i32, align 4
  %usual = alloca i32, align 4
  call void @llvm.x86.sse.stmxcsr(ptr %old)
  store i32 8064, ptr %usual, align 4
  call void @llvm.x86.sse.ldmxcsr(ptr %usual)
  %kept = load i32, ptr %old, align 4
  %mode = zext i32 %kept to i64
  ret i64 %mode
}

define internal void @end_arithmetic(i64 %mode) nounwind {
  %old = alloca i32, align 4
  %kept = trunc i64 %mode to i32
  store i32 %kept, ptr %old, align 4
  call void @llvm.x86.sse.ldmxcsr(ptr %old)
  ret void
}
