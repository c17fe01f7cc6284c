"""Lets SES send mails from an address. On AWS the owner of the address, or of its domain, has to confirm that."""

import argparse

import boto3


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--from", required=True, dest="address")
    boto3.client("sesv2").create_email_identity(EmailIdentity=options.parse_args().address)


if __name__ == "__main__":
    main()
