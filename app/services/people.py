"""People: accounts, roles, invitations, sign-ins and API tokens. Every change leaves an event."""



