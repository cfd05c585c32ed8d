module acme.example/checksum-server

go 1.22
