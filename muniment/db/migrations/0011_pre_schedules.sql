-- When a profile runs next by itself (NULL: not), and why it could not the last time.
ALTER TABLE profiles ADD COLUMN due timestamptz, ADD COLUMN schedule_error text NOT NULL DEFAULT '';
CREATE INDEX profiles_due ON profiles (due) WHERE due IS NOT NULL;

-- Started by its schedule; goes on outside of its profile's windows; pauses until then, because no window is open.
ALTER TABLE runs ADD COLUMN scheduled boolean NOT NULL DEFAULT false,
                 ADD COLUMN any_time boolean NOT NULL DEFAULT false,
                 ADD COLUMN paused_until timestamptz;
