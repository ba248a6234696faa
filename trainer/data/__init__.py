"""What training is made from and leaves: snapshots, lineage, exports, erasure, the disk."""
