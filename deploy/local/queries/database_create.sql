-- Makes one database that nobody but its owner and its guests may connect to.
create database {database} owner {owner};
revoke all on database {database} from public;
grant connect on database {database} to {guests};
