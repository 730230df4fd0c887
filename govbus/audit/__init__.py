"""The auditor: reads everything again, trusts nobody, and says where evidence and record differ."""
