"""The world outside the hall, for the demo: a geocoder that knows one town, and everybody's letter box.

Without internet the demo runs the same code as a town in production: geopy asks this geocoder in the national
geocoder's format, and letters leave over SMTP. Nothing of it is meant for other machines than this one.
"""
