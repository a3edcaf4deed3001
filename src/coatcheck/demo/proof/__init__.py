"""The proof page: experiments that run against the live server, on coatcheck and on two other libraries."""
