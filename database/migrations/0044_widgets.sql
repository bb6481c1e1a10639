-- A widget through which nobody ever came may go. One with conversations stays: these are a record, and name it.
grant delete on support.widgets to support_role;
