; Runs a program many times, each time on other rows of the data that it is given.
;
; Rows are copied to where the program reads them. Where those of a step follow one another, the
; program reads them where they are.
;
; The list is an array of 64-bit words:
;   0 function, 1 table     the program and its pointers
;   2 faults                a byte; when it is not 0 after a step, that step counts as not done
;   3 steps, 4 rows         how many steps, and how many rows each takes
;   5 numbers               of the rows: steps times rows words
;   6 inputs, 7 results     how many follow
;   8 done                  how many steps were done; written by the first thread
;   9 varying               how many inputs have other numbers at every step
;   10 ...                  for each input: from, to, bytes of a row, its place in the table, and
;                           whether an input before it has the same rows copied there;
;                           then for each result: from, to, bytes of a step;
;                           then for each varying input: from, bytes of a step, its place

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define void @steepest_steps(ptr %list, i64 %thread, i64 %threads, ptr %meeting) nounwind {
entry:
  %function = load ptr, ptr %list, align 8
  %table_at = getelementptr i64, ptr %list, i64 1
  %table = load ptr, ptr %table_at, align 8
  %faults_at = getelementptr i64, ptr %list, i64 2
  %faults = load ptr, ptr %faults_at, align 8
  %steps_at = getelementptr i64, ptr %list, i64 3
  %steps = load i64, ptr %steps_at, align 8
  %rows_at = getelementptr i64, ptr %list, i64 4
  %rows = load i64, ptr %rows_at, align 8
  %numbers_at = getelementptr i64, ptr %list, i64 5
  %numbers = load ptr, ptr %numbers_at, align 8
  %inputs_at = getelementptr i64, ptr %list, i64 6
  %inputs = load i64, ptr %inputs_at, align 8
  %results_at = getelementptr i64, ptr %list, i64 7
  %results = load i64, ptr %results_at, align 8
  %done_at = getelementptr i64, ptr %list, i64 8
  %varying_at = getelementptr i64, ptr %list, i64 9
  %varying = load i64, ptr %varying_at, align 8
  %first_input = getelementptr i64, ptr %list, i64 10
  %input_words = mul i64 %inputs, 5
  %first_result = getelementptr i64, ptr %first_input, i64 %input_words
  %result_words = mul i64 %results, 3
  %first_varying = getelementptr i64, ptr %first_result, i64 %result_words
  %low_share = mul i64 %rows, %thread
  %low = udiv i64 %low_share, %threads
  %next = add i64 %thread, 1
  %high_share = mul i64 %rows, %next
  %high = udiv i64 %high_share, %threads
  %is_first = icmp eq i64 %thread, 0
  br label %step
step:
  %n = phi i64 [ 0, %entry ], [ %n_next, %following ]
  %more = icmp ult i64 %n, %steps
  br i1 %more, label %gather, label %leave
gather:
  %first_row = mul i64 %n, %rows
  %own = getelementptr i64, ptr %numbers, i64 %first_row
  %any = icmp ne i64 %rows, 0
  br i1 %any, label %first_number, label %inputs_begin
first_number:
  %begin = load i64, ptr %own, align 8
  br label %compare
compare:
  %k = phi i64 [ 1, %first_number ], [ %k_next, %next_number ]
  %k_more = icmp ult i64 %k, %rows
  br i1 %k_more, label %next_number, label %inputs_begin
next_number:
  %k_at = getelementptr i64, ptr %own, i64 %k
  %k_number = load i64, ptr %k_at, align 8
  %k_wanted = add i64 %begin, %k
  %k_next = add i64 %k, 1
  %follows = icmp eq i64 %k_number, %k_wanted
  br i1 %follows, label %compare, label %inputs_begin
inputs_begin:
  %in_order = phi i1 [ false, %gather ], [ true, %compare ], [ false, %next_number ]
  %row_zero = phi i64 [ 0, %gather ], [ %begin, %compare ], [ %begin, %next_number ]
  br label %input
input:
  %i = phi i64 [ 0, %inputs_begin ], [ %i_next, %input_done ]
  %more_inputs = icmp ult i64 %i, %inputs
  br i1 %more_inputs, label %place_rows, label %inputs_end
place_rows:
  %i_word = mul i64 %i, 5
  %from_at = getelementptr i64, ptr %first_input, i64 %i_word
  %from = load ptr, ptr %from_at, align 8
  %to_at = getelementptr i64, ptr %from_at, i64 1
  %to = load ptr, ptr %to_at, align 8
  %bytes_at = getelementptr i64, ptr %from_at, i64 2
  %bytes = load i64, ptr %bytes_at, align 8
  %slot_at = getelementptr i64, ptr %from_at, i64 3
  %slot = load i64, ptr %slot_at, align 8
  %is_copied_at = getelementptr i64, ptr %from_at, i64 4
  %is_copied_word = load i64, ptr %is_copied_at, align 8
  %is_copied = icmp ne i64 %is_copied_word, 0
  %bytes_before = mul i64 %row_zero, %bytes
  %there = getelementptr i8, ptr %from, i64 %bytes_before
  br i1 %is_first, label %tell, label %placed
tell:
  %read_at = select i1 %in_order, ptr %there, ptr %to
  %entry_at = getelementptr ptr, ptr %table, i64 %slot
  store ptr %read_at, ptr %entry_at, align 8
  br label %placed
placed:
  %nothing_to_copy = or i1 %in_order, %is_copied
  br i1 %nothing_to_copy, label %input_done, label %copy_rows
copy_rows:
  br label %row
row:
  %r = phi i64 [ %low, %copy_rows ], [ %r_next, %copy_row ]
  %more_rows = icmp ult i64 %r, %high
  br i1 %more_rows, label %copy_row, label %input_done
copy_row:
  %number_at = getelementptr i64, ptr %own, i64 %r
  %number = load i64, ptr %number_at, align 8
  %skipped = mul i64 %number, %bytes
  %row_from = getelementptr i8, ptr %from, i64 %skipped
  %put = mul i64 %r, %bytes
  %row_to = getelementptr i8, ptr %to, i64 %put
  call void @llvm.memcpy.p0.p0.i64(ptr %row_to, ptr %row_from, i64 %bytes, i1 false)
  %r_next = add i64 %r, 1
  br label %row
input_done:
  %i_next = add i64 %i, 1
  br label %input
inputs_end:
  br i1 %is_first, label %vary, label %ready
vary:
  %v = phi i64 [ 0, %inputs_end ], [ %v_next, %vary_one ]
  %more_varying = icmp ult i64 %v, %varying
  br i1 %more_varying, label %vary_one, label %ready
vary_one:
  %v_word = mul i64 %v, 3
  %v_from_at = getelementptr i64, ptr %first_varying, i64 %v_word
  %v_from = load ptr, ptr %v_from_at, align 8
  %v_bytes_at = getelementptr i64, ptr %v_from_at, i64 1
  %v_bytes = load i64, ptr %v_bytes_at, align 8
  %v_slot_at = getelementptr i64, ptr %v_from_at, i64 2
  %v_slot = load i64, ptr %v_slot_at, align 8
  %v_before = mul i64 %n, %v_bytes
  %v_there = getelementptr i8, ptr %v_from, i64 %v_before
  %v_entry_at = getelementptr ptr, ptr %table, i64 %v_slot
  store ptr %v_there, ptr %v_entry_at, align 8
  %v_next = add i64 %v, 1
  br label %vary
ready:
  call void @steepest_meet(ptr %meeting, i64 %threads)
  call void %function(ptr %table, i64 %thread, i64 %threads, ptr %meeting)
  call void @steepest_meet(ptr %meeting, i64 %threads)
  %fault = load i8, ptr %faults, align 1
  %is_well = icmp eq i8 %fault, 0
  br i1 %is_well, label %well, label %leave
well:
  %n_next = add i64 %n, 1
  br i1 %is_first, label %keep, label %following
keep:
  store i64 %n_next, ptr %done_at, align 8
  br label %result
result:
  %j = phi i64 [ 0, %keep ], [ %j_next, %copy_result ]
  %more_results = icmp ult i64 %j, %results
  br i1 %more_results, label %copy_result, label %following
copy_result:
  %j_word = mul i64 %j, 3
  %result_at = getelementptr i64, ptr %first_result, i64 %j_word
  %result_from = load ptr, ptr %result_at, align 8
  %result_to_at = getelementptr i64, ptr %result_at, i64 1
  %result_to = load ptr, ptr %result_to_at, align 8
  %size_at = getelementptr i64, ptr %result_at, i64 2
  %size = load i64, ptr %size_at, align 8
  %before = mul i64 %n, %size
  %place = getelementptr i8, ptr %result_to, i64 %before
  call void @llvm.memcpy.p0.p0.i64(ptr %place, ptr %result_from, i64 %size, i1 false)
  %j_next = add i64 %j, 1
  br label %result
following:
  br label %step
leave:
  ret void
}
