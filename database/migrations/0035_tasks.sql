-- Tasks: who does one, when it is called to mind, and how it comes again.
alter table crm.activities
  add column assigned_to text collate "C" constraint activities_assigned_to_fkey references platform.users,
  add column remind_at timestamptz constraint activities_remind_at_time check (platform.is_time(remind_at)),
  add column repeats text collate "C"
    constraint activities_repeats_known check (repeats in ('daily', 'weekdays', 'weekly', 'monthly', 'yearly')),
  add column repeat_day date constraint activities_repeat_day_day check (platform.is_day(repeat_day)),
  add column time_zone text collate "C"
    constraint activities_time_zone_name check (time_zone ~ '^[A-Za-z0-9_+/-]{1,64}$'),
  add column repeated_from uuid constraint activities_repeated_from_fkey references crm.activities on delete set null,
  add constraint activities_of_tasks check (
    type = 'task' or num_nonnulls(assigned_to, remind_at, repeats, repeat_day, time_zone, repeated_from) = 0),
  add constraint activities_repeats_whole check (
    repeats is null or due_at is not null and repeat_day is not null and time_zone is not null);
comment on column crm.activities.assigned_to is 'Who is to do the task; null: who wrote it.';
comment on column crm.activities.remind_at is 'When the person is reminded; null once the reminder was seen.';
comment on column crm.activities.repeat_day is
  'The day that the repetition counts from, in time_zone: the 31st is the last day of a shorter month, and the 31st again after it.';
comment on column crm.activities.repeated_from is 'The task that was done before this one came. A task comes again once.';

-- A task is its author's until it is given to somebody.
create index activities_todo on crm.activities (coalesce(assigned_to, created_by), coalesce(due_at, 'infinity'), id)
  where type = 'task' and done_at is null;
create index activities_done on crm.activities (done_at desc, id desc) where type = 'task' and done_at is not null;
create index activities_reminders on crm.activities (coalesce(assigned_to, created_by), remind_at)
  where type = 'task' and remind_at is not null and done_at is null;
create index on crm.activities (assigned_to) where assigned_to is not null;
create unique index activities_repeated_from_key on crm.activities (repeated_from) where repeated_from is not null;

call sync.capture('crm.activities', 'activity', 'crm', 'r.id', 'r.customer_id', '{customer_id,type}', '{request_digest}');
call platform.classify_columns('crm.activities',
  technical => 'assigned_to remind_at repeats repeat_day time_zone repeated_from');

grant insert (assigned_to, remind_at, repeats, repeat_day, time_zone, repeated_from),
      update (assigned_to, remind_at, repeats, repeat_day, time_zone),
      delete
  on crm.activities to foundation_role;
-- A tick that is taken back takes the next of its kind with it. Nothing else of the timeline can be deleted.
create policy foundation_untick on crm.activities for delete to foundation_role
  using (created_by_app = 'foundation' and type = 'task' and repeated_from is not null and done_at is null);
